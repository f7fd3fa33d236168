"""System checks: each mistake in the configuration that a person can make, with a stable id."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.urls import NoReverseMatch, reverse
from limits import parse
from oauth2_provider.settings import oauth2_settings

from oauth_app import redirects
from oauth_app.conf import RATE_LIMITS, conf
from oauth_app.scopes import SCOPES

LONGEST = timedelta(days=7)


@register(Tags.security)
def check_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for name, url, check_id in (
        ("AUTH_SERVER_URL", conf.issuer, "oauth_app.E001"),
        ("MCP_RESOURCE_URL", conf.resource_url, "oauth_app.E002"),
    ):
        parts = urlsplit(url)
        secure = parts.scheme == "https" or parts.hostname in redirects.LOOPBACK_HOSTS
        if not secure or parts.query or parts.fragment or url.endswith("/"):
            found.append(
                Error(
                    f"{name} must be an https URL without query, fragment or trailing slash, not {url!r}.",
                    hint="Clients compare it to the letter. http works on localhost only.",
                    id=check_id,
                )
            )
    return found


@register(Tags.security)
def check_schemes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    wrong = sorted(scheme for scheme in conf.custom_schemes if redirects.scheme_fault(scheme))
    if not wrong:
        return []
    return [
        Error(
            f"OAUTH_CUSTOM_SCHEMES holds {', '.join(wrong)}.",
            hint="Name lower-case schemes of desktop applications only, such as cursor.",
            id="oauth_app.E003",
        )
    ]


@register(Tags.security)
def check_lifetimes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    wrong = []
    if not timedelta(0) < conf.code_lifetime <= timedelta(minutes=10):
        wrong.append("OAUTH_CODE_SECONDS must be at most 600")
    if not timedelta(0) < conf.access_lifetime <= LONGEST:
        wrong.append("OAUTH_ACCESS_SECONDS must be at most 7 days")
    if not conf.access_lifetime <= conf.refresh_lifetime <= LONGEST:
        wrong.append("OAUTH_REFRESH_SECONDS must be from OAUTH_ACCESS_SECONDS to 7 days")
    if not timedelta(0) <= conf.refresh_grace <= timedelta(minutes=10):
        wrong.append("OAUTH_REFRESH_GRACE_SECONDS must be from 0 to 600")
    if conf.client_lifetime < conf.refresh_lifetime:
        wrong.append("OAUTH_CLIENT_SECONDS must not be shorter than OAUTH_REFRESH_SECONDS")
    return [Error(f"{sentence}.", id="oauth_app.E004") for sentence in wrong]


@register(Tags.security)
def check_rate_limits(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for endpoint, limit in conf.rate_limits.items():
        if endpoint not in RATE_LIMITS:
            known = ", ".join(RATE_LIMITS)
            found.append(
                Error(f"OAUTH_RATE_LIMITS names {endpoint!r}; it knows {known}.", id="oauth_app.E006")
            )
        try:
            parse(limit)
        except ValueError:
            found.append(
                Error(
                    f"OAUTH_RATE_LIMITS: {limit!r} is no limit.", hint="Write 20/minute.", id="oauth_app.E006"
                )
            )
    return found


@register(Tags.security, deploy=True)
def check_proxies(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Daphne is hardly ever what ends TLS; without the setting all clients have the proxy's address."""
    if conf.issuer.startswith("https:") and conf.rate_limits and not conf.trusted_proxies:
        return [
            Warning(
                "Rate limits count by the address of the connection, which is the proxy's if there is one.",
                hint="Set TRUSTED_PROXIES to the number of your proxies that write X-Forwarded-For.",
                id="oauth_app.W002",
            )
        ]
    return []


@register(Tags.security)
def check_toolkit(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The toolkit's own settings on which this application relies."""
    wrong = []
    if not oauth2_settings.COMPLIANT_BCP_RFC9700_TOKEN_STORAGE:
        wrong.append("COMPLIANT_BCP_RFC9700_TOKEN_STORAGE must be True: tokens are kept as checksums")
    if not oauth2_settings.COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS:
        wrong.append("COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS must be True: the metadata promises it")
    if oauth2_settings.PKCE_REQUIRED is not True:
        wrong.append("PKCE_REQUIRED must be True")
    if conf.issuer != oauth2_settings.OIDC_ISS_ENDPOINT:
        wrong.append("OIDC_ISS_ENDPOINT must be AUTH_SERVER_URL")
    if set(oauth2_settings.SCOPES) != set(SCOPES):
        wrong.append("SCOPES must be those of oauth_app.conf")
    if conf.access_lifetime.total_seconds() != oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS:
        wrong.append("ACCESS_TOKEN_EXPIRE_SECONDS must be OAUTH_ACCESS_SECONDS")
    return [Error(f"OAUTH2_PROVIDER: {sentence}.", id="oauth_app.E005") for sentence in wrong]


@register(Tags.security, deploy=True)
def check_identity_provider(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if getattr(settings, "OAUTH_SIGN_IN", "fakeupstream.").startswith("fakeupstream."):
        return [
            Warning(
                "People sign in through the fake identity provider: anyone may say who they are.",
                hint="That is what a demonstration needs. For real accounts set OAUTH_SIGN_IN.",
                id="oauth_app.W001",
            )
        ]
    if apps.is_installed("fakeupstream") and _is_routed("fakeupstream:authorize"):
        return [
            Warning(
                "The fake identity provider is replaced, and still there: it answers 404.",
                hint="Remove fakeupstream from INSTALLED_APPS and from the URLs.",
                id="oauth_app.W001",
            )
        ]
    return []


def _is_routed(name: str) -> bool:
    try:
        reverse(name)
    except NoReverseMatch:
        return False
    return True
