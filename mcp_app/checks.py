"""System checks: each mistake in the settings of this app that a person can make, with a stable id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string

from mcp_app.conf import conf
from mcp_app.hosts import is_loopback

WHOLE_NUMBERS = {
    "MCP_CACHE_ENTRIES": 1,
    "MCP_EVENT_LOG_LENGTH": 1,
    "MCP_EVENT_LOG_BYTES": 1,
    "MCP_MAX_BODY_BYTES": 1,
    "MCP_MAX_BODY_VALUES": 100,
    "MCP_MAX_CALLS": 1,
    "MCP_MAX_SESSIONS": 1,
    "MCP_MAX_STREAM_BYTES": 1024,
    "MCP_MAX_SUBSCRIPTIONS": 0,
    "MCP_MAX_TASKS": 0,
    "MCP_REDIS_CONNECTIONS": 1,
    "MCP_RETRY_MILLISECONDS": 0,
    "MCP_SESSION_IDLE_SECONDS": 1,
    "MCP_SESSION_MAX_SECONDS": 1,
    "MCP_TASK_POLL_MILLISECONDS": 1,
    "MCP_TASK_SECONDS": 1,
}
"""The least that each may be. Redis takes lifetimes in whole seconds."""

NUMBERS = {
    "MCP_AUTH_SERVER_TIMEOUT_SECONDS": 0.1,
    "MCP_CACHE_SECONDS": 0,
    "MCP_CLIENT_REQUEST_SECONDS": 1,
    "MCP_KEEP_ALIVE_SECONDS": 1,
    "MCP_LEASE_SECONDS": 1,
    "MCP_REDIS_TIMEOUT_SECONDS": 0.1,
    "MCP_SHUTDOWN_GRACE_SECONDS": 0,
    "MCP_STREAM_AFTER_SECONDS": 0,
}

_SHORTER_THAN_IDLE = {
    "MCP_LEASE_SECONDS": "a session would lose its calls while they run",
    "MCP_KEEP_ALIVE_SECONDS": "a session would lose its logs while its streams are open",
    "MCP_CACHE_SECONDS": "a session would lose its logs while it is in use",
}

_PROXY_SECONDS = 30
"""The shortest time after which usual proxies and load balancers cut a silent connection."""


@register
def check_resource_url(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for name, url in (
        ("MCP_RESOURCE_URL", conf.resource_url),
        ("MCP_SSE_RESOURCE_URL", conf.sse_resource_url),
    ):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.query or parts.fragment or url.endswith("/"):
            found.append(
                Error(
                    f"{name} must be a URL without query, fragment or trailing slash, not {url!r}.",
                    hint="Clients compare it to the letter with what their tokens are for.",
                    id="mcp_app.E001",
                )
            )
    return found


@register
def check_numbers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    wrong = [
        f"{name} must be {kind} of at least {least}, not {_value(name)!r}"
        for kind, types, table in (
            ("a whole number", int, WHOLE_NUMBERS),
            ("a number", (int, float), NUMBERS),
        )
        for name, least in table.items()
        if not isinstance(_value(name), types) or isinstance(_value(name), bool) or not _value(name) >= least
    ]
    return [Error(f"{sentence}.", id="mcp_app.E003") for sentence in wrong]


@register
def check_lifetimes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if check_numbers(None):
        return []  # numbers first: what follows compares them
    idle = conf.session_idle_seconds
    wrong = [
        f"{name} ({_value(name):g}) must be less than MCP_SESSION_IDLE_SECONDS ({idle}): {reason}"
        for name, reason in _SHORTER_THAN_IDLE.items()
        if _value(name) >= idle
    ]
    if idle > conf.session_max_seconds:
        wrong.append(
            f"MCP_SESSION_IDLE_SECONDS ({idle}) must not be more than MCP_SESSION_MAX_SECONDS "
            f"({conf.session_max_seconds})"
        )
    found: list[CheckMessage] = [Error(f"{sentence}.", id="mcp_app.E004") for sentence in wrong]
    if conf.keep_alive_seconds >= _PROXY_SECONDS:
        found.append(
            Warning(
                f"MCP_KEEP_ALIVE_SECONDS is {conf.keep_alive_seconds:g}; proxies may cut streams earlier.",
                hint=f"Many cut a connection after {_PROXY_SECONDS} or 60 silent seconds; stay below.",
                id="mcp_app.W001",
            )
        )
    return found


@register
def check_token_verifier(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    try:
        verifier = import_string(conf.token_verifier)
    except ImportError as error:
        fault = f"cannot be imported: {error}"
    else:
        if callable(getattr(verifier, "verify_token", None)):
            return []
        fault = "has no method verify_token"
    return [
        Error(
            f"MCP_TOKEN_VERIFIER names {conf.token_verifier!r}, which {fault}.",
            hint="It is the dotted path of a class like mcp.server.auth.provider.TokenVerifier.",
            id="mcp_app.E005",
        )
    ]


@register
def check_channel_layer(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    backend = getattr(settings, "CHANNEL_LAYERS", {}).get("default", {}).get("BACKEND")
    if backend is None:
        fault = "CHANNEL_LAYERS has no default layer"
    elif backend.endswith("InMemoryChannelLayer"):
        fault = "The channel layer is in memory: processes could not reach each other"
    else:
        return []
    hint = "Use channels_redis.pubsub.RedisPubSubChannelLayer."
    return [Error(f"{fault}.", hint=hint, id="mcp_app.E006")]


@register
def check_lists(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A string is a sequence, too: of its letters."""
    rules: dict[str, tuple[str, Callable[[str], bool]]] = {
        "MCP_REQUIRED_SCOPES": ("scopes", lambda scope: bool(scope) and " " not in scope),
        "MCP_ALLOWED_ORIGINS": ("origins such as https://app.example.com", _is_origin),
    }
    return [
        Error(f"{name} must be a list of {what}, not {_value(name)!r}.", id="mcp_app.E007")
        for name, (what, is_right) in rules.items()
        if isinstance(_value(name), str)
        or not all(isinstance(item, str) and is_right(item) for item in _value(name))
    ]


@register(deploy=True)
def check_https(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    parts = urlsplit(conf.resource_url)
    if parts.scheme == "https" or is_loopback(parts.hostname):
        return []
    return [
        Error(
            f"MCP_RESOURCE_URL is {conf.resource_url!r}: tokens would travel unprotected.",
            hint="Set BASE_URI to the https URL that the proxy serves.",
            id="mcp_app.E008",
        )
    ]


@register(deploy=True)
def check_hosts(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if "*" not in conf.allowed_hosts:
        return []
    return [
        Warning(
            "ALLOWED_HOSTS holds '*': a page of any site could reach this server by DNS rebinding.",
            hint="Name the public host. Probes of /healthz and /readyz are not checked.",
            id="mcp_app.W002",
        )
    ]


@register(deploy=True)
def check_fixtures(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not conf.conformance_fixtures:
        return []
    return [
        Warning(
            "CONFORMANCE_FIXTURES is on: clients see the tools of the conformance suite.",
            id="mcp_app.W003",
        )
    ]


def _value(name: str) -> Any:
    """A setting or its default, by the setting's name."""
    return getattr(conf, name.removeprefix("MCP_").lower())


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme and parts.netloc) and not (parts.path or parts.query or parts.fragment)
