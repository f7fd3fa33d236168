"""A user's way through the pages of the fake identity provider."""

from __future__ import annotations

from typing import Any

from django.test import Client as Http

from tests.oauth_app import flow


def sign_in_here(http: Http, url: str, name: str) -> Any:
    """Follow the redirects of a user who is not signed in, up to the requested page."""
    page = http.get(http.get(url)["Location"])
    answer = choose(http, page, name=name)
    done = http.get(answer["Location"])
    return http.get(done["Location"])


def choose(http: Http, page: Any, **who: str) -> Any:
    return http.post(flow.form_action(page), who)
