"""The settings of the authorization server: those that begin with `OAUTH_`, and some of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.module_loading import import_string

from oauth_app.app_settings import AppSettings, Setting
from oauth_app.redirects import scheme_fault

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

# One address alone cannot use up the attempts at an account, and so lock its owner out.
PASSWORD_LIMITS = {"password": "10/5minutes", "account": "200/hour"}
# Signing in at the fake provider and allowing access take three requests each: 40 users a minute.
RATE_LIMITS = {
    "register": "20/minute",
    "authorize": "120/minute",
    "sign_in": "120/minute",
    "connections": "60/minute",
    "token": "300/minute",
    **PASSWORD_LIMITS,
}
WEEK = 7 * 24 * 3600


def _is_url(text: str) -> bool:
    return not text or text.startswith(("http://", "https://"))


URL = ("an http or https URL, or empty", _is_url)


class Conf(AppSettings):
    """Typed access to the settings of this app."""

    prefix = "OAUTH_"

    code_seconds = Setting(600, "how long an authorization code is valid", minimum=1, maximum=600)
    access_seconds = Setting(
        3600, "how long an access token is valid", minimum=1, maximum=WEEK, up_to="refresh_seconds"
    )
    refresh_seconds = Setting(
        WEEK, "how long a refresh token may go unused", minimum=1, maximum=WEEK, up_to="client_seconds"
    )
    # Real clients refresh from several processes at once, in bursts of up to 76 seconds.
    refresh_grace_seconds = Setting(120, "how long a replaced refresh token is still accepted", maximum=600)
    max_refreshes = Setting(
        20,
        "how many pairs one refresh token may give: one, and more if its client uses it again in that time",
        minimum=1,
        maximum=1000,
    )
    max_access_tokens = Setting(
        100,
        "how many access tokens of one consent are valid at once; a further one ends the oldest",
        minimum=10,
    )
    client_seconds = Setting(
        30 * 24 * 3600, "how long a client that registered itself is kept after its last use"
    )
    custom_schemes = Setting[Sequence[str]](
        ("cursor",),
        "custom schemes that the redirect URIs of desktop applications may have, such as `cursor,vscode`; "
        "replaces the default",
        variable="REDIRECT_SCHEMES",
        must_be=(
            "a list of lower-case schemes of desktop applications, such as "
            '["cursor", "vscode"] (as an environment variable cursor,vscode)',
            lambda scheme: not scheme_fault(scheme),
        ),
    )
    scopes = Setting[Mapping[str, str]](
        {},
        "the scopes that a client can be granted besides `mcp`, which every token has, and `offline_access`; "
        "each with what the consent page says of it",
        follows="`mcp:admin`, which a tool of the demonstration requires",
        must_be=(
            'scopes with their descriptions, such as {"orders:write": "Change your orders"} '
            "(as an environment variable orders:write=Change your orders)",
            bool,
        ),
    )
    further_scopes = Setting[Sequence[str]](
        (),
        "those of them that the consent page offers, not ticked, to clients that do not ask for them: many "
        "never ask for more, even if a tool needs it",
        follows="`mcp:admin`, unless `OAUTH_SCOPES` is set",
    )
    max_redirect_uris = Setting(20, "the maximum number of redirect URIs per client", minimum=1)
    max_registration_bytes = Setting(32 * 1024, "the maximum size of a registration request", minimum=1)
    # The users of a company may share one address.
    rate_limits = Setting[Mapping[str, str]](
        RATE_LIMITS,
        "how many requests one address may make to each endpoint, and how many passwords may be tried: "
        "from one address (`password`), and for one account from all addresses together (`account`), or for "
        "either from one browser that has signed in to the account before; what is not named has no limit, "
        "except for passwords, which keep theirs",
        must_be=(
            'endpoints with their limits, such as {"token": "300/minute"} '
            "(as an environment variable token=300/minute)",
            bool,
        ),
    )
    trusted_proxies = Setting(
        0,
        "how many of your own proxies append to `X-Forwarded-For`, for the rate limits",
        variable="TRUSTED_PROXIES",
        maximum=10,
    )
    service_documentation = Setting(
        "",
        "the page for people who build clients, in the metadata of the authorization server (RFC 8414 §2); "
        "empty for none",
        variable="DOCUMENTATION_URL",
        follows="`BASE_URI/documentation`",
        must_be=URL,
    )
    op_policy_uri = Setting(
        "",
        "the page that says what happens to data (RFC 8414 §2); empty for none",
        variable="PRIVACY_URL",
        follows="`BASE_URI/privacy`",
        must_be=URL,
    )
    op_tos_uri = Setting(
        "",
        "the terms of service (RFC 8414 §2); empty for none",
        variable="TERMS_URL",
        follows="`BASE_URI/terms`",
        must_be=URL,
    )
    sign_in_path = Setting(
        "oauth_app.sign_in.begin",
        "dotted path of the function `(request, next_url)` that redirects a user to sign in; by default to "
        "Django's LOGIN_URL",
        name="OAUTH_SIGN_IN",
    )

    @cached_property
    def sign_in(self) -> Callable[[HttpRequest, str], HttpResponse]:
        """The function that sends a user away to sign in."""
        return import_string(self.sign_in_path)

    @cached_property
    def issuer(self) -> str:
        """AUTH_SERVER_URL: who issues tokens. Byte for byte the same in the metadata and in `iss`."""
        return getattr(settings, "AUTH_SERVER_URL", "")

    @cached_property
    def resource_url(self) -> str:
        """MCP_RESOURCE_URL: the one resource that tokens are issued for."""
        return getattr(settings, "MCP_RESOURCE_URL", "")

    @cached_property
    def resource_urls(self) -> tuple[str, ...]:
        """The names of that resource: clients of HTTP+SSE know it as MCP_SSE_RESOURCE_URL."""
        default = f"{self.resource_url.rpartition('/')[0]}/sse"
        return (self.resource_url, getattr(settings, "MCP_SSE_RESOURCE_URL", default))

    @cached_property
    def redis_url(self) -> str:
        """REDIS_URL, or MCP_REDIS_URL: where all processes count requests together."""
        return getattr(settings, "REDIS_URL", "") or getattr(settings, "MCP_REDIS_URL", "")


conf = Conf()
