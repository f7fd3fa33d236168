"""The relying side: what happens in this browser between "who are you?" and "signed in".

Where a person wanted to go travels in the signed `state` that the provider echoes, and a cookie ties it to
this browser. So no URL can send anyone elsewhere, an answer that this browser did not ask for is refused,
and nothing is kept of those who never come back.

Each sign-in has a cookie of its own: several tabs may begin at the same moment, and of two answers that set
one cookie the browser would keep the later one only.
"""

from __future__ import annotations

import secrets
import time
from urllib.parse import urlencode

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from oauth_app.secrets import checksum, is_secret

SALT = "fakeupstream.state"
MAX_SIGN_INS = 10
"""How many sign-ins of one browser may be under way; the oldest ones give way to new ones."""
SECONDS = 24 * 3600
"""How long a tab may be left at "who are you?"."""


def begin(request: HttpRequest, next_url: str) -> HttpResponse:
    """Send the person to the provider; remember where to go on from there."""
    nonce = secrets.token_urlsafe(24)
    state = signing.dumps({"nonce": checksum(nonce), "next": next_url}, salt=SALT, compress=True)
    response = HttpResponseRedirect(f"{reverse('fakeupstream:authorize')}?{urlencode({'state': state})}")
    for name in _under_way(request)[: -MAX_SIGN_INS + 1]:
        _forget(response, name)
    response.set_cookie(
        _cookie(checksum(nonce)),
        f"{int(time.time())}.{nonce}",
        max_age=SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def next_url(request: HttpRequest, state: str) -> str | None:
    """Where the sign-in with this state is going; None when it is not one of this browser's."""
    try:
        content = signing.loads(state, salt=SALT, max_age=SECONDS)
    except (signing.BadSignature, ValueError):
        return None
    going: str = content["next"]
    _, _, nonce = request.COOKIES.get(_cookie(content["nonce"]), "").partition(".")
    return going if is_secret(nonce, content["nonce"]) else None


def end(response: HttpResponse, state: str) -> None:
    """Let this sign-in count no second time."""
    _forget(response, _cookie(signing.loads(state, salt=SALT)["nonce"]))


def cookie_prefix() -> str:
    """What the names of these cookies begin with."""
    return f"{settings.SESSION_COOKIE_NAME}-sign-in-"


def _cookie(nonce_checksum: str) -> str:
    return cookie_prefix() + nonce_checksum[:16]


def _under_way(request: HttpRequest) -> list[str]:
    """The cookies of this browser's sign-ins, the oldest first."""
    found = [name for name in request.COOKIES if name.startswith(cookie_prefix())]
    return sorted(found, key=lambda name: request.COOKIES[name])


def _forget(response: HttpResponse, name: str) -> None:
    response.delete_cookie(name, samesite="Lax")
