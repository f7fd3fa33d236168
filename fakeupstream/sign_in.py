"""The relying side: what happens in this browser between "who are you?" and "signed in".

Where a person wanted to go travels in the signed `state` that the provider echoes, and a cookie ties it to
this browser. So no URL can send anyone elsewhere, an answer that this browser did not ask for is refused,
and nothing is kept of those who never come back.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from oauth_app.secrets import checksum, is_secret

COOKIE = "sign_ins"
SALT = "fakeupstream.state"
MAX_SIGN_INS = 10
"""How many sign-ins one browser may have under way: several tabs, but no growing cookie."""
SECONDS = 24 * 3600
"""How long a tab may be left at "who are you?"."""


def begin(request: HttpRequest, next_url: str) -> HttpResponse:
    """Send the person to the provider; remember where to go on from there."""
    nonce = secrets.token_urlsafe(24)
    state = signing.dumps({"nonce": checksum(nonce), "next": next_url}, salt=SALT, compress=True)
    response = HttpResponseRedirect(f"{reverse('fakeupstream:authorize')}?{urlencode({'state': state})}")
    _remember(response, [*_waiting(request), nonce])
    return response


def next_url(request: HttpRequest, state: str) -> str | None:
    """Where the sign-in with this state is going; None when it is not one of this browser's."""
    try:
        content = signing.loads(state, salt=SALT, max_age=SECONDS)
    except (signing.BadSignature, ValueError):
        return None
    going: str = content["next"]
    return going if any(is_secret(nonce, content["nonce"]) for nonce in _waiting(request)) else None


def end(request: HttpRequest, response: HttpResponse, state: str) -> None:
    """Let this sign-in count no second time."""
    ended = signing.loads(state, salt=SALT)["nonce"]
    _remember(response, [nonce for nonce in _waiting(request) if not is_secret(nonce, ended)])


def _waiting(request: HttpRequest) -> list[str]:
    return request.COOKIES.get(COOKIE, "").split(".")[-MAX_SIGN_INS:]


def _remember(response: HttpResponse, waiting: list[str]) -> None:
    response.set_cookie(
        COOKIE,
        ".".join([nonce for nonce in waiting if nonce][-MAX_SIGN_INS:]),
        max_age=SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
