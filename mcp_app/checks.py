"""System checks of this app's settings, with stable ids."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.utils.module_loading import import_string

from mcp_app.conf import conf
from mcp_app.hosts import is_loopback

_PROXY_SECONDS = 30
"""The shortest idle time-out of common proxies and load balancers."""


_IDS = {"str": "mcp_app.E001", "tuple": "mcp_app.E007"}  # by type; all others are numbers
_RESOURCE_HINT = "Clients compare it to the letter with what their tokens are for."


@register
def check_values(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for setting, sentence in conf.faults():
        check_id = _IDS.get(type(setting.default).__name__, "mcp_app.E003")
        hint = _RESOURCE_HINT if setting.attribute.endswith("resource_url") else None
        found.append(Error(sentence, hint=hint, id=check_id))
    return found


@register
def check_lifetimes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if conf.faults():
        return []
    found: list[CheckMessage] = [Error(sentence, id="mcp_app.E004") for sentence in conf.contradictions()]
    if conf.keep_alive_seconds >= _PROXY_SECONDS:
        found.append(
            Warning(
                f"MCP_KEEP_ALIVE_SECONDS is {conf.keep_alive_seconds:g}; proxies may cut streams earlier.",
                hint=f"Many close a connection after {_PROXY_SECONDS} or 60 seconds of silence.",
                id="mcp_app.W001",
            )
        )
    return found


@register
def check_event_log(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    least = 2 * conf.max_stream_bytes
    if conf.faults() or conf.event_log_bytes >= least:
        return []
    return [
        Error(
            f"MCP_EVENT_LOG_BYTES ({conf.event_log_bytes}) must be at least twice MCP_MAX_STREAM_BYTES, "
            f"{least}: a slow reader would lose messages.",
            id="mcp_app.E009",
        )
    ]


@register
def check_server(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not (fault := _server_fault()):
        return []
    return [
        Error(
            f"MCP_SERVER names {conf.server!r}, which {fault}.",
            hint="It must be the dotted path of a function that takes an Engine and returns an MCPServer.",
            id="mcp_app.E002",
        )
    ]


def _server_fault() -> str:
    """Why the server cannot be built, which is tried; empty if it can."""
    try:
        factory = import_string(conf.server)
    except Exception as error:  # such as a syntax error
        return f"cannot be imported: {_reason(error)}"
    if not callable(factory):
        return "cannot be called"
    if conf.faults() or check_token_verifier(None):
        return ""  # the runtime could not be created for another reason, which is reported
    from mcp_app.runtime import Runtime  # which only the processes that serve have to import

    try:
        Runtime()
    except DatabaseError:
        return ""  # its tables may be those that the command to be checked is to create
    except Exception as error:
        return f"cannot build a server: {_reason(error)}"
    return ""


def _reason(error: Exception) -> str:
    is_sentence = isinstance(error, ImproperlyConfigured | ImportError)
    return str(error).removesuffix(".") if is_sentence else f"{type(error).__name__}: {error}"


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
            hint="It must be the dotted path of a class like mcp.server.auth.provider.TokenVerifier.",
            id="mcp_app.E005",
        )
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
            "ALLOWED_HOSTS contains '*': a page of any site could reach this server by DNS rebinding.",
            hint="Name the public host. Probes of /healthz and /readyz are not checked.",
            id="mcp_app.W002",
        )
    ]
