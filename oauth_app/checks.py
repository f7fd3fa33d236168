"""System checks of the configuration, with stable ids."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from limits import parse
from oauth2_provider.settings import oauth2_settings

from oauth_app import redirects
from oauth_app.conf import RATE_LIMITS, Conf, conf
from oauth_app.scopes import SCOPES

_IDS = {"tuple": "oauth_app.E003", "dict": "oauth_app.E006"}  # by type; all others are numbers


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
                    hint="Clients compare it character by character. http works on localhost only.",
                    id=check_id,
                )
            )
    return found


@register(Tags.security)
def check_values(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    faults = conf.faults()
    found: list[CheckMessage] = [
        Error(sentence, id=_IDS.get(type(setting.default).__name__, "oauth_app.E004"))
        for setting, sentence in faults
    ]
    if not faults:
        found += [Error(sentence, id="oauth_app.E004") for sentence in conf.contradictions()]
    return found


@register(Tags.security)
def check_sign_in(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    try:
        if callable(conf.sign_in):
            return []
        fault = "is no function"
    except ImportError as error:
        fault = f"cannot be imported: {error}"
    return [Error(f"OAUTH_SIGN_IN names {conf.sign_in_path!r}, which {fault}.", id="oauth_app.E007")]


@register(Tags.security)
def check_rate_limits(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if Conf.rate_limits.fault(conf.rate_limits):
        return []
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
    """TLS is usually terminated by a proxy; without the setting all clients have its address."""
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
    """Settings of django-oauth-toolkit on which this app relies."""
    wrong = []
    if not oauth2_settings.COMPLIANT_BCP_RFC9700_TOKEN_STORAGE:
        wrong.append("COMPLIANT_BCP_RFC9700_TOKEN_STORAGE must be True: tokens are kept as checksums")
    if not oauth2_settings.COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS:
        wrong.append("COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS must be True: the metadata announces it")
    if oauth2_settings.PKCE_REQUIRED is not True:
        wrong.append("PKCE_REQUIRED must be True")
    if conf.issuer != oauth2_settings.OIDC_ISS_ENDPOINT:
        wrong.append("OIDC_ISS_ENDPOINT must be AUTH_SERVER_URL")
    if set(oauth2_settings.SCOPES) != set(SCOPES):
        wrong.append("SCOPES must be those of oauth_app.scopes")
    if conf.access_seconds != oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS:
        wrong.append("ACCESS_TOKEN_EXPIRE_SECONDS must be OAUTH_ACCESS_SECONDS")
    return [Error(f"OAUTH2_PROVIDER: {sentence}.", id="oauth_app.E005") for sentence in wrong]
