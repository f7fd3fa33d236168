"""The settings of the authorization server: each one typed, with its default and what it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

RATE_LIMITS = {"register": "20/minute", "authorize": "60/minute", "token": "300/minute"}


class Conf:
    """Read at access time, so that a test may override any of them."""

    @property
    def issuer(self) -> str:
        """AUTH_SERVER_URL: who issues tokens. Byte for byte the same in the metadata and in `iss`."""
        return settings.AUTH_SERVER_URL

    @property
    def resource_url(self) -> str:
        """MCP_RESOURCE_URL: the one resource that tokens are issued for."""
        return settings.MCP_RESOURCE_URL

    @property
    def resource_urls(self) -> tuple[str, ...]:
        """The names of that resource: clients of HTTP+SSE know it as MCP_SSE_RESOURCE_URL."""
        return (settings.MCP_RESOURCE_URL, settings.MCP_SSE_RESOURCE_URL)

    @property
    def custom_schemes(self) -> frozenset[str]:
        """OAUTH_CUSTOM_SCHEMES: redirect schemes of desktop applications that are known here."""
        return frozenset(_setting("OAUTH_CUSTOM_SCHEMES", ("cursor",)))

    @property
    def code_lifetime(self) -> timedelta:
        """OAUTH_CODE_SECONDS: from the consent until the client must have redeemed its code."""
        return timedelta(seconds=_setting("OAUTH_CODE_SECONDS", 600))

    @property
    def access_lifetime(self) -> timedelta:
        """OAUTH_ACCESS_SECONDS: how long an access token works."""
        return timedelta(seconds=_setting("OAUTH_ACCESS_SECONDS", 3600))

    @property
    def refresh_lifetime(self) -> timedelta:
        """OAUTH_REFRESH_SECONDS: how long a refresh token may lie unused."""
        return timedelta(seconds=_setting("OAUTH_REFRESH_SECONDS", 7 * 24 * 3600))

    @property
    def refresh_grace(self) -> timedelta:
        """OAUTH_REFRESH_GRACE_SECONDS: how long a replaced refresh token still works.

        Real clients refresh from several processes at once, in bursts of up to 76 seconds.
        """
        return timedelta(seconds=_setting("OAUTH_REFRESH_GRACE_SECONDS", 120))

    @property
    def client_lifetime(self) -> timedelta:
        """OAUTH_CLIENT_SECONDS: how long a self-made registration outlives its last use."""
        return timedelta(seconds=_setting("OAUTH_CLIENT_SECONDS", 30 * 24 * 3600))

    @property
    def max_redirect_uris(self) -> int:
        """OAUTH_MAX_REDIRECT_URIS: how many redirect URIs one client may register."""
        return int(_setting("OAUTH_MAX_REDIRECT_URIS", 20))

    @property
    def max_registration_bytes(self) -> int:
        """OAUTH_MAX_REGISTRATION_BYTES: how large a registration request may be."""
        return int(_setting("OAUTH_MAX_REGISTRATION_BYTES", 32 * 1024))

    @property
    def rate_limits(self) -> Mapping[str, str]:
        """OAUTH_RATE_LIMITS: how often one address may call `register`, `authorize` and `token`.

        An endpoint that is not named has no limit. A company's people may share one address.
        """
        limits: Mapping[str, str] = _setting("OAUTH_RATE_LIMITS", RATE_LIMITS)
        return limits

    @property
    def trusted_proxies(self) -> int:
        """OAUTH_TRUSTED_PROXIES: how many proxies of ours append to `X-Forwarded-For`."""
        return int(_setting("OAUTH_TRUSTED_PROXIES", 0))

    @property
    def redis_url(self) -> str:
        """REDIS_URL: where all processes count requests together."""
        return settings.REDIS_URL

    @property
    def sign_in(self) -> Callable[[HttpRequest, str], HttpResponse]:
        """OAUTH_SIGN_IN: the function `(request, next_url)` that sends a person away to sign in."""
        return import_string(_setting("OAUTH_SIGN_IN", "fakeupstream.sign_in.begin"))


def _setting(name: str, default: Any) -> Any:
    return getattr(settings, name, default)


conf = Conf()
