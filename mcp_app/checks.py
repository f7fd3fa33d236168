"""System checks of this app's settings, with stable ids."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.core.management import get_commands
from django.http.request import validate_host
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.module_loading import import_string

from mcp_app.conf import Conf, conf
from mcp_app.hosts import is_loopback

_PROXY_SECONDS = 30
"""The shortest idle time-out of common proxies and load balancers."""


_PROTECTED = "/.well-known/oauth-protected-resource"
_SERVE = "application = mcp_application(get_asgi_application())"
_WSGI = ("django.core", "django.contrib.staticfiles")
"""The apps whose `runserver` serves WSGI only."""

_TEST_HOSTS = ("testserver",)
"""ALLOWED_HOSTS in Django's test runner, if the project has none."""

_IDS = {"str": "mcp_app.E001", "tuple": "mcp_app.E007"}  # by type; all others are numbers
_RESOURCE_HINT = "Clients compare it to the letter with what their tokens are for."


@register
def check_values(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for setting, sentence in conf.faults():
        if setting is Conf.sse_resource_url and not hasattr(settings, setting.name):
            continue  # it follows from the other one
        check_id = _IDS.get(type(setting.default).__name__, "mcp_app.E003")
        hint = _RESOURCE_HINT if setting.attribute.endswith("resource_url") else None
        if setting.example and not getattr(conf, setting.attribute):
            hint = f"Write in settings.py: {setting.line}"
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
def check_token_verifier(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not conf.token_verifier:
        return []  # this is reported as a missing setting
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


@register
def check_people(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for setting in (Conf.person_to_user, Conf.user_to_person):
        path = getattr(conf, setting.attribute)
        try:
            fault = "" if not path or callable(import_string(path)) else "cannot be called"
        except ImportError as error:
            fault = f"cannot be imported: {error}"
        if fault:
            hint = "It must be the dotted path of a function."
            found.append(
                Error(f"{setting.name} names {path!r}, which {fault}.", hint=hint, id="mcp_app.E013")
            )
    return found


@register(Tags.urls)
def check_metadata_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Clients find the authorization server by the metadata, whose path is fixed (RFC 9728 §3.1)."""
    if conf.faults():
        return []
    line = f'Add path("", include("mcp_app.urls")) to {settings.ROOT_URLCONF}'
    path = f"{_PROTECTED}{conf.path}"
    match = _resolved(path)
    if match is None:
        fault, hint = f"No URL pattern serves {path}", f"{line}, at the root."
    elif "mcp_auth" not in match.app_names:
        fault, hint = f"{path} is served by the URL pattern {match.route!r}", f"{line}, before that one."
    else:
        return []
    return [Error(f"{fault}: clients could not sign in.", hint=hint, id="mcp_app.E010")]


@register(Tags.urls)
def check_shadowed_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Pages of the project that cannot be reached: the endpoints come before Django."""
    if conf.faults():
        return []
    paths = {
        conf.liveness_path: "MCP_LIVENESS_PATH",
        conf.readiness_path: "MCP_READINESS_PATH",
        conf.metrics_path: "MCP_METRICS_PATH",
    }
    if conf.http_sse:
        advice = "MCP_SSE_RESOURCE_URL, or set MCP_HTTP_SSE = False"
        paths |= {conf.sse_path: advice, conf.message_path: advice}
    paths[conf.path or "/"] = "MCP_RESOURCE_URL"
    # A pattern that takes every path has no page of this one.
    anywhere = _resolved("/mcp-app-looks-for-a-pattern-of-all-paths/")
    found: list[CheckMessage] = []
    for path, advice in paths.items():
        match = _resolved(path) if path else None
        if match is not None and (anywhere is None or match.route != anywhere.route):
            sentence = f"{path} is an MCP endpoint, so its URL pattern {match.route!r} is never reached."
            found.append(Warning(sentence, hint=f"Change {advice}.", id="mcp_app.W003"))
    return found


def _resolved(path: str) -> ResolverMatch | None:
    try:
        return resolve(path)
    except Resolver404:
        return None


@register
def check_asgi(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The text of asgi.py, which is not imported: that may start what belongs to a server only."""
    application = getattr(settings, "ASGI_APPLICATION", None)
    module = (application or f"{settings.ROOT_URLCONF.rpartition('.')[0]}.asgi.application").rpartition(".")[
        0
    ]
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        spec = None
    source = getattr(spec.loader, "get_source", lambda name: None)(module) if spec else ""
    if source is None or re.search(r"\bmcp_application\(", source):
        return []
    return [
        Warning(
            f"{module} does not use mcp_application: Django would answer at {conf.path or '/'}.",
            hint=f"Write in it: from mcp_app.routing import mcp_application and {_SERVE}. Silence this if "
            "another module does so.",
            id="mcp_app.W004",
        )
    ]


@register
def check_runserver(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Django's own `runserver` never calls an ASGI application."""
    app = get_commands().get("runserver")
    name = app if isinstance(app, str) or app is None else app.name
    package = settings.ROOT_URLCONF.rpartition(".")[0]
    asgi = f"{package}.asgi.application"
    if settings.DEBUG and name in _WSGI:
        return [
            Warning(
                f"`runserver` serves WSGI only, so that Django would answer at {conf.path or '/'}.",
                hint='Put "daphne" first in INSTALLED_APPS (pip install daphne), '
                f'and write in settings.py: ASGI_APPLICATION = "{asgi}". Silence this if you do not use it.',
                id="mcp_app.W005",
            )
        ]
    if name == "daphne" and not getattr(settings, "ASGI_APPLICATION", None):
        return [
            Error(
                "`runserver` of Daphne needs ASGI_APPLICATION.",
                hint=f'Write in settings.py: ASGI_APPLICATION = "{asgi}"',
                id="mcp_app.E011",
            )
        ]
    return []


@register
def check_own_host(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A warning, since the proxy may send a Host of its own."""
    parts = urlsplit(conf.resource_url)
    host = parts.netloc.removesuffix(f":{parts.port}")
    if conf.faults() or validate_host(host, conf.allowed_hosts):
        return []
    if conf.allowed_hosts == _TEST_HOSTS and is_loopback(parts.hostname):
        return []  # tests run with DEBUG off; with it, Django allows these hosts
    return [
        Warning(
            f"ALLOWED_HOSTS lacks {host}, the host of MCP_RESOURCE_URL: requests with that Host get 421.",
            hint=f'Write in settings.py: ALLOWED_HOSTS = ["{host}"]',
            id="mcp_app.W006",
        )
    ]


@register
def check_observers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if conf.faults():
        return []
    from mcp_app.runtime import load_observers

    try:
        load_observers()
    except ImproperlyConfigured as error:
        return [
            Error(
                f"MCP_OBSERVERS: {error}.",
                hint="Each must be the dotted path of a subclass of mcp_app.observers.Observer.",
                id="mcp_app.E012",
            )
        ]
    return []


@register
def check_metrics(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    from mcp_app.monitoring.measuring import page_fault  # slow to import

    if conf.faults() or (fault := page_fault()) is None:
        return []
    hint = 'pip install prometheus-client, or set MCP_METRICS_PATH = "".'
    return [Error(fault, hint=hint, id="mcp_app.E015")]


@register(deploy=True)
def check_https(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    parts = urlsplit(conf.resource_url)
    if parts.scheme == "https" or is_loopback(parts.hostname):
        return []
    return [
        Error(
            f"MCP_RESOURCE_URL is {conf.resource_url!r}: tokens would travel unprotected.",
            hint="Set MCP_RESOURCE_URL to the https URL that the proxy serves.",
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
            hint="Name the public host. Probes are not checked.",
            id="mcp_app.W002",
        )
    ]
