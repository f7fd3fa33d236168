"""What the pages of the workbench may do, as their headers say."""

from __future__ import annotations

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def test_the_policy_of_the_page_is_the_sites_but_for_frames_sound_and_blobs(client: Client) -> None:
    def policy(path: str) -> dict[str, set[str]]:
        directives = client.get(path)["Content-Security-Policy"].split("; ")
        return {name: set(sources) for name, *sources in (directive.split() for directive in directives)}

    site, page = policy("/"), policy("/try")
    added = {name: page[name] - site.get(name, set()) for name in page if page[name] != site.get(name)}
    assert added == {"frame-src": {"'self'"}, "media-src": {"data:", "blob:"}, "img-src": {"blob:"}}
    assert site["script-src"] == {"'self'"}


def test_the_page_with_the_code_is_neither_stored_nor_named_to_others(client: Client) -> None:
    page = client.get("/try/callback?code=secret")
    assert (page["Cache-Control"], page["Referrer-Policy"]) == ("no-store", "no-referrer")
