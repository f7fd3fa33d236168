"""The relying party: the state of a sign-in in progress.

The URL to return to is in the signed `state` that the provider echoes, and a cookie binds the state to the
browser. So there is no open redirect, responses that this browser did not request are rejected, and abandoned
sign-ins leave nothing on the server.

Each sign-in has its own cookie, since several tabs may start one at the same time.
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
"""How many sign-ins of one browser may be in progress; older ones are dropped."""
SECONDS = 24 * 3600
"""How long the sign-in page may be left open."""


def begin(request: HttpRequest, next_url: str) -> HttpResponse:
    """Redirect to the provider, and remember the URL to return to."""
    nonce = secrets.token_urlsafe(24)
    state = signing.dumps({"nonce": checksum(nonce), "next": next_url}, salt=SALT, compress=True)
    response = HttpResponseRedirect(f"{reverse('fakeupstream:authorize')}?{urlencode({'state': state})}")
    for name in _in_progress(request)[: -MAX_SIGN_INS + 1]:
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
    """The URL to return to after the sign-in with this state; None if this browser did not start it."""
    try:
        content = signing.loads(state, salt=SALT, max_age=SECONDS)
    except (signing.BadSignature, ValueError):
        return None
    url: str = content["next"]
    _, _, nonce = request.COOKIES.get(_cookie(content["nonce"]), "").partition(".")
    return url if is_secret(nonce, content["nonce"]) else None


def end(response: HttpResponse, state: str) -> None:
    """Make sure that this sign-in cannot be used again."""
    _forget(response, _cookie(signing.loads(state, salt=SALT)["nonce"]))


def cookie_prefix() -> str:
    """The prefix of the names of these cookies."""
    return f"{settings.SESSION_COOKIE_NAME}-sign-in-"


def _cookie(nonce_checksum: str) -> str:
    return cookie_prefix() + nonce_checksum[:16]


def _in_progress(request: HttpRequest) -> list[str]:
    """The names of the sign-in cookies of this browser, oldest first."""
    found = [name for name in request.COOKIES if name.startswith(cookie_prefix())]
    return sorted(found, key=lambda name: request.COOKIES[name])


def _forget(response: HttpResponse, name: str) -> None:
    response.delete_cookie(name, samesite="Lax")
