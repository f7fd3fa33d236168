"""System checks of the configuration, with stable ids."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.shortcuts import resolve_url
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import NoReverseMatch, Resolver404, resolve
from limits import parse
from oauth2_provider.models import (
    AbstractAccessToken,
    AbstractApplication,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
    Application,
)
from oauth2_provider.settings import oauth2_settings

from oauth_app import redirects
from oauth_app.conf import RATE_LIMITS, Conf, conf
from oauth_app.models import AccessToken, has_field
from oauth_app.scopes import Scopes, scopes
from oauth_app.toolkit import MODELS
from oauth_app.validators import Validator

_IDS = {
    "custom_schemes": "oauth_app.E003",
    "rate_limits": "oauth_app.E006",
    "scopes": "oauth_app.E008",
    "further_scopes": "oauth_app.E008",
}
"""By setting; all others are numbers."""
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""RFC 6749 §3.3."""
_SETTINGS_LINE = 'globals().update(oauth_app.toolkit.project_settings("https://…"))'
_PATHS = (
    "/.well-known/oauth-authorization-server",
    "/authorize",
    "/connections",
    "/register",
    "/token",
    "/revoke",
    "/introspect",
)
_TOOLKIT_MODELS = (
    AbstractAccessToken,
    AbstractApplication,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
)
_VENDORS = ("postgresql", "sqlite")


@register(Tags.security)
def check_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for name, url, check_id in (
        ("AUTH_SERVER_URL, the URL of project_settings,", conf.issuer, "oauth_app.E001"),
        ("MCP_RESOURCE_URL", conf.resource_url, "oauth_app.E002"),
    ):
        parts = urlsplit(url)
        secure = parts.scheme == "https" or parts.hostname in redirects.LOOPBACK_HOSTS
        if not secure or parts.query or parts.fragment or url.endswith("/"):
            found.append(
                Error(
                    f"{name} must be an https URL without query, fragment or trailing slash, not {url!r}.",
                    hint="Clients compare it character by character. http works on localhost only."
                    if url
                    else f"Write in settings.py: {_SETTINGS_LINE}",
                    id=check_id,
                )
            )
        elif check_id == "oauth_app.E001" and parts.path:
            found.append(
                Error(
                    f"{name} must be a URL without a path, not {url!r}: its pages are at the root.",
                    hint="It is the base URL of the project, not that of the endpoint. Write in settings.py: "
                    + _SETTINGS_LINE.replace("https://…", f"{parts.scheme}://{parts.netloc}"),
                    id=check_id,
                )
            )
    return found


@register(Tags.security)
def check_values(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    faults = conf.faults()
    found: list[CheckMessage] = [
        Error(sentence, id=_IDS.get(setting.attribute, "oauth_app.E004")) for setting, sentence in faults
    ]
    if not faults:
        found += [Error(sentence, id="oauth_app.E004") for sentence in conf.contradictions()]
    return found


@register(Tags.security)
def check_scopes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if Conf.scopes.fault(conf.scopes) or Conf.further_scopes.fault(conf.further_scopes):
        return []
    found: list[CheckMessage] = [
        Error(f"OAUTH_SCOPES: {scope!r} is no scope (RFC 6749 §3.3).", id="oauth_app.E008")
        for scope in conf.scopes
        if not _SCOPE.fullmatch(scope)
    ]
    return found + [
        Error(
            f"OAUTH_FURTHER_SCOPES names {scope!r}, which OAUTH_SCOPES lacks.",
            hint="Add it there, with what the consent page says of it.",
            id="oauth_app.E008",
        )
        for scope in conf.further_scopes
        if scope not in scopes()
    ]


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
    if conf.rate_limits and not conf.redis_url:
        found.append(
            Error(
                "REDIS_URL is not set: requests are counted there, for the rate limits.",
                hint='Write in settings.py: REDIS_URL = "redis://localhost:6379/0"',
                id="oauth_app.E015",
            )
        )
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
                hint=f"Set {Conf.trusted_proxies.name} (for Everything Server, the variable "
                f"{Conf.trusted_proxies.variable}) to the number of your proxies that write X-Forwarded-For.",
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
    if oauth2_settings.SCOPES_BACKEND_CLASS is not Scopes:
        wrong.append("SCOPES_BACKEND_CLASS must be oauth_app.scopes.Scopes: OAUTH_SCOPES has the scopes")
    if oauth2_settings.OAUTH2_VALIDATOR_CLASS is not Validator:
        wrong.append("OAUTH2_VALIDATOR_CLASS must be oauth_app.validators.Validator")
    if conf.access_seconds != oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS:
        wrong.append("ACCESS_TOKEN_EXPIRE_SECONDS must be OAUTH_ACCESS_SECONDS")
    known = oauth2_settings.defaults
    wrong += [_unknown(name, known) for name in getattr(settings, "OAUTH2_PROVIDER", {}) if name not in known]
    hint = f"Write in settings.py, and change OAUTH2_PROVIDER nowhere else: {_SETTINGS_LINE}"
    return [Error(f"OAUTH2_PROVIDER: {sentence}.", hint=hint, id="oauth_app.E005") for sentence in wrong]


def _unknown(name: str, known: Iterable[str]) -> str:
    ours = {setting.name for setting in Conf.declared()}
    if name in ours or name.startswith("MCP_") or hasattr(settings, name):
        return f"{name} is no setting of django-oauth-toolkit: set it after the line"
    close = difflib.get_close_matches(name, known, 1)
    advice = f": did you mean {close[0]}?" if close else ""
    return f"{name} is a setting which django-oauth-toolkit does not have{advice}"


@register(Tags.security)
def check_models(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The models are in place of the toolkit's, and no others are."""
    found: list[CheckMessage] = []
    for name, wanted in MODELS.items():
        given = getattr(settings, name, None)
        if given != wanted:
            fault = f"is {given!r}, not {wanted!r}" if given else "is not set"
            found.append(
                Error(f"{name} {fault}.", hint=f"Write in settings.py: {_SETTINGS_LINE}", id="oauth_app.E009")
            )
    others = [
        model._meta.label
        for model in apps.get_models()
        if issubclass(model, _TOOLKIT_MODELS)
        and model._meta.app_label not in ("oauth2_provider", "oauth_app")
    ]
    if others:
        found.append(_in_use(f"{', '.join(others)} of this project"))
    return found


@register(Tags.database)
def check_tables(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """The toolkit has no tables of its own: their rows would not be seen any more."""
    table = Application._meta.db_table
    return [
        _in_use(f"the table {table} of the database {alias!r}")
        for alias in databases or ()
        if oauth2_settings.APPLICATION_MODEL in MODELS.values()
        and table in connections[alias].introspection.table_names()
    ]


def _in_use(what: str) -> CheckMessage:
    return Error(
        f"This project already uses django-oauth-toolkit, with {what}: oauth_app has models of its own, by "
        "which the existing applications and tokens would not be found.",
        hint="Leave oauth_app out, and name a verifier of your tokens in MCP_TOKEN_VERIFIER; or make "
        "oauth_app the authorization server of another project. Silence this if nobody needs the old rows.",
        id="oauth_app.E010",
    )


@register(Tags.urls)
def check_paths(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The metadata of this server names paths at the root."""
    hint = f'Add path("", include("oauth_app.urls")) to {settings.ROOT_URLCONF}'
    taken = []
    for path in _PATHS:
        try:
            match = resolve(path)
        except Resolver404:
            sentence = f"No URL pattern serves {path}."
            return [Error(sentence, hint=f"{hint}, at the root.", id="oauth_app.E011")]
        if "oauth_app" not in match.app_names:
            taken.append(f"{path} is served by the URL pattern {match.route!r}")
    return [Error(f"{fault}.", hint=f"{hint}, before that one.", id="oauth_app.E011") for fault in taken]


@register(Tags.urls)
def check_login(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Users can sign in."""
    if conf.sign_in_path != Conf.sign_in_path.default:
        return []
    try:
        url = urlsplit(resolve_url(settings.LOGIN_URL))
        if url.netloc or _is_served(url.path) or (settings.APPEND_SLASH and _is_served(f"{url.path}/")):
            return []
    except NoReverseMatch:
        pass
    return [
        Error(
            f"LOGIN_URL is {str(settings.LOGIN_URL)!r}, which no URL pattern serves: users cannot sign in.",
            hint='Add path("accounts/", include("django.contrib.auth.urls")) with a template '
            "registration/login.html, or set LOGIN_URL to the login page that you have.",
            id="oauth_app.E012",
        )
    ]


def _is_served(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


@register(Tags.templates)
def check_templates(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    try:
        get_template("oauth_app/consent.html")
    except (TemplateDoesNotExist, ImproperlyConfigured):
        return [
            Error(
                "The templates of oauth_app are not found.",
                hint='Set "APP_DIRS": True for the DjangoTemplates of TEMPLATES.',
                id="oauth_app.E013",
            )
        ]
    return []


@register(Tags.models)
def check_database(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Locks that leave others free to refer to a row (`FOR NO KEY UPDATE`) are PostgreSQL's."""
    alias = router.db_for_write(AccessToken)
    connection = connections[alias]
    vendor = connection.vendor
    if vendor == "sqlite" and connection.settings_dict["OPTIONS"].get("transaction_mode") != "IMMEDIATE":
        return [
            Warning(
                "Tokens are written in transactions that read first. On SQLite, of two at once one fails: "
                '"database is locked".',
                hint="Write in settings.py, so that they wait for each other: "
                f'DATABASES["{alias}"]["OPTIONS"] = {{"transaction_mode": "IMMEDIATE", "timeout": 20}}',
                id="oauth_app.W004",
            )
        ]
    if vendor in _VENDORS:
        return []
    return [
        Error(f"oauth_app needs PostgreSQL, or SQLite for development; not {vendor}.", id="oauth_app.E014")
    ]


@register(Tags.models)
def check_router(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A sign-in reads what it has just written, which a replica may not have yet."""
    read, written = router.db_for_read(AccessToken), router.db_for_write(AccessToken)
    if read == written:
        return []
    return [
        Warning(
            f"Tokens are written to the database {written!r} and read from {read!r}. If that is a replica, "
            "sign-ins fail while it lacks what they have just written, and revoked tokens stay valid there.",
            hint=f"Let db_for_read of your DATABASE_ROUTERS return {written!r} for the app oauth_app.",
            id="oauth_app.W005",
        )
    ]


@register(Tags.models)
def check_user_model(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    user = get_user_model()
    if has_field(user, "is_active") or getattr(user, "is_active", None) is True:
        return []
    return [
        Warning(
            f"is_active of {user._meta.label} is no field: a user who is no longer active keeps the access "
            "tokens that have been issued until they expire.",
            hint="Call oauth_app.models.end_access(user=user) when you deactivate a user.",
            id="oauth_app.W003",
        )
    ]
