"""Limits how often passwords may be tried: by address, and by account.

Attempts are counted before they are checked, so that parallel ones count, too. A success counts like a
failure.

Somebody with many addresses could use up the attempts at an account, and so keep its owner out. So a browser
that has signed in to the account before gets a cookie, and its attempts are counted by that cookie instead.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from oauth_app.api import View
from oauth_app.rate_limits import address_of, seconds_to_wait, too_many
from oauth_app.secrets import checksum

SALT = "everything_site.known_browser"
KNOWN_SECONDS = 90 * 24 * 3600


def entered_name(request: HttpRequest) -> str:
    """Whose password a login form was sent with."""
    return request.POST.get("username", "")


def own_name(request: HttpRequest) -> str:
    """Whose password a form for changing one's own was sent with."""
    return request.user.get_username()


def password_limited(view: View, name: Callable[[HttpRequest], str]) -> View:
    """The view of a form with a password, which answers 429 to more attempts than OAUTH_RATE_LIMITS allows.

    Args:
        view: It redirects if, and only if, the password was right.
        name: The user name that the password is for.
    """

    @wraps(view)
    def limited_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        account = _account(name(request))
        for limit, whose in (("password", address_of(request)), ("account", _counted_by(request, account))):
            if wait := seconds_to_wait(limit, whose):
                return too_many(request, limit, wait)
        response = view(request, *args, **kwargs)
        if response.status_code == 302:
            _remember(response, account)
        return response

    return limited_view


def _account(name: str) -> str:
    """A checksum of a user name, the same for all spellings that a login form could take for the same."""
    return checksum(unicodedata.normalize("NFKC", name).strip().casefold())


def _counted_by(request: HttpRequest, account: str) -> str:
    """The account, or the cookie of a browser that has signed in to it."""
    cookie = request.COOKIES.get(_cookie_name(), "")
    try:
        is_known = signing.loads(cookie, salt=SALT, max_age=KNOWN_SECONDS)["account"] == checksum(account)
    except signing.BadSignature:
        is_known = False
    return checksum(cookie) if is_known else account


def _remember(response: HttpResponseBase, account: str) -> None:
    response.set_cookie(
        _cookie_name(),
        signing.dumps({"account": checksum(account)}, salt=SALT),
        max_age=KNOWN_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _cookie_name() -> str:
    return f"{settings.SESSION_COOKIE_NAME}-known"
