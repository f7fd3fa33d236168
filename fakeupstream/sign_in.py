"""The relying side: what happens in this browser between "who are you?" and "signed in".

Where a person wanted to go stays in the session, under the `state` that the provider echoes. So no
URL can send anyone elsewhere, and an answer that this browser did not ask for is refused.
"""

from __future__ import annotations

import secrets
from typing import cast
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

SESSION_KEY = "fakeupstream.sign_ins"
MAX_SIGN_INS = 10
"""How many sign-ins one browser may have under way: several tabs, but no growing session."""


def begin(request: HttpRequest, next_url: str) -> HttpResponse:
    """Send the person to the provider; remember where to go on from there."""
    state = secrets.token_urlsafe(24)
    waiting = [*request.session.get(SESSION_KEY, {}).items(), (state, next_url)]
    request.session[SESSION_KEY] = dict(waiting[-MAX_SIGN_INS:])
    return HttpResponseRedirect(f"{reverse('fakeupstream:authorize')}?{urlencode({'state': state})}")


def is_waiting(request: HttpRequest, state: str) -> bool:
    return state in request.session.get(SESSION_KEY, {})


def next_url(request: HttpRequest, state: str) -> str | None:
    """Where the sign-in with this state was going, once: an answer counts a single time."""
    waiting = request.session.get(SESSION_KEY, {})
    going = waiting.pop(state, None)
    if going is not None:
        request.session[SESSION_KEY] = waiting
    return cast("str | None", going)
