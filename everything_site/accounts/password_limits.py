"""Limits how often passwords may be tried: by address, and by account.

Attempts are counted before they are checked, so that parallel ones count, too. A success counts like a
failure.

Somebody with many addresses could use up the attempts at an account, and so keep its owner out; and somebody
at the same address, as in an office, those of the address. So a browser that has signed in to the account
before gets a cookie, and its attempts are counted by that cookie only. A success gives it another one, so
only its failed attempts count.
"""

from __future__ import annotations

import logging
import secrets
import unicodedata
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from everything_site import audit
from oauth_app.http.api import View
from oauth_app.http.rate_limits import address_of, seconds_to_wait, too_many
from oauth_app.secrets import checksum

logger = logging.getLogger(__name__)

SALT = "everything_site.known_browser"
KNOWN_SECONDS = 90 * 24 * 3600
_MAX_NAME_LENGTH = 150
"""How much of a name is logged: a user's name is not longer."""


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
        known = _known_browser(request, account)
        for limit, whose in (("password", known or address_of(request)), ("account", known or account)):
            if wait := seconds_to_wait(limit, whose):
                account_name = name(request)[:_MAX_NAME_LENGTH]
                facts = {"username": account_name, "address": address_of(request)}
                audit.write("sign-in failed", **facts, reason="too many attempts")
                return too_many(request, limit, wait, account=account_name)
        response = view(request, *args, **kwargs)
        if response.status_code == 302:
            _remember(response, account)
        return response

    return limited_view


def sign_in_logged(view: View) -> View:
    """The view of the login form, whose successes and failures are logged."""

    @wraps(view)
    def logged_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if request.method == "POST":
            fields = {"account": entered_name(request)[:_MAX_NAME_LENGTH], "address": address_of(request)}
            if response.status_code == 302:
                logger.info("signed in to the admin", extra=fields)
            elif response.status_code == 200:
                logger.warning("sign-in to the admin failed", extra=fields)
        return response

    return logged_view


def _account(name: str) -> str:
    """A checksum of a user name, the same for all spellings that a login form could take for the same."""
    return checksum(unicodedata.normalize("NFKC", name).strip().casefold())


def _known_browser(request: HttpRequest, account: str) -> str:
    """A checksum of the cookie of a browser that has signed in to the account before; else empty."""
    cookie = request.COOKIES.get(_cookie_name(), "")
    try:
        is_known = signing.loads(cookie, salt=SALT, max_age=KNOWN_SECONDS)["account"] == checksum(account)
    except signing.BadSignature:
        is_known = False
    return checksum(cookie) if is_known else ""


def _remember(response: HttpResponseBase, account: str) -> None:
    response.set_cookie(
        _cookie_name(),
        signing.dumps({"account": checksum(account), "browser": secrets.token_hex(8)}, salt=SALT),
        max_age=KNOWN_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _cookie_name() -> str:
    return f"{settings.SESSION_COOKIE_NAME}-known"
