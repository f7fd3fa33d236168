"""The MCP endpoints as one ASGI application.

    application = mcp_application(get_asgi_application())

serves these, and passes every other request to Django:

| Path | What | Set by |
|---|---|---|
| `/mcp` | Streamable HTTP, all revisions | the path of `MCP_RESOURCE_URL` |
| `/sse`, `/message` | HTTP+SSE of 2024-11-05 | `MCP_HTTP_SSE`, the path of `MCP_SSE_RESOURCE_URL` |
| `/mcp/server-card` | the card of the server (SEP-2127) | `MCP_SERVER_CARD` |
| `/.well-known/ai-catalog.json` | the catalog that lists it | `MCP_AI_CATALOG` |
| `/healthz`, `/readyz` | probes | `MCP_LIVENESS_PATH`, `MCP_READINESS_PATH` |
| none by default | metrics for Prometheus | `MCP_METRICS_PATH` |
| none by default | the machine room of a person | the argument `room` |
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from mcp_app.card import CARD_SUFFIX, CARD_TYPE, CATALOG_PATH, CATALOG_TYPE, ai_catalog, server_card
from mcp_app.conf import conf
from mcp_app.observers import NOBODY
from mcp_app.readiness import has_database, try_database, written_apps
from mcp_app.runtime import Runtime
from mcp_app.transports.cors import allow_origins
from mcp_app.transports.documents import Document
from mcp_app.transports.finishing import counted, finish_requests
from mcp_app.transports.guard import Guard
from mcp_app.transports.head_limit import HeadLimit
from mcp_app.transports.health import Healthz, Readyz
from mcp_app.transports.http_sse import Sse, SsePost
from mcp_app.transports.metrics import MetricsPage
from mcp_app.transports.request import Asgi, Receive, Scope, Send
from mcp_app.transports.room import RoomFeed
from mcp_app.transports.served_by import name_process
from mcp_app.transports.streamable_http import StreamableHttp

__all__ = ["mcp_application"]

logger = logging.getLogger(__name__)

Needs = Mapping[str, Callable[[], Awaitable[None]]]


def mcp_application(
    others: Any, *, runtime: Runtime | None = None, needs: Needs | None = None, room: str = ""
) -> Asgi:
    """An ASGI application with the MCP endpoints in front of another one.

    It answers the server's `lifespan` events itself, and connects to nothing before the first MCP request. If
    the server is Daphne, this also makes it read HTTP strictly, unless `MCP_DAPHNE_HTTP` is False.

    Args:
        others: The application for all other requests and for WebSockets; usually that of
            `get_asgi_application()`.
        runtime: The runtime of this process; a new one if None.
        needs: Readiness checks by name, in addition to those of MCP. By default that of the database, if the
            project has one.
        room: The path of the machine room, an event stream of what all processes do for a person; empty for
            none. Only pages of this server can read it.

    Raises:
        ImproperlyConfigured: A setting or the server that `MCP_SERVER` names is faulty, or mcp_app is not
            installed.
    """
    if not apps.is_installed("mcp_app"):
        raise ImproperlyConfigured('Add "mcp_app" to INSTALLED_APPS.')
    if runtime is None:
        for setting, sentence in conf.faults():  # most servers run no system checks
            raise ImproperlyConfigured(" ".join(filter(None, (sentence, setting.line))))
        runtime = Runtime()
    if conf.daphne_http and find_spec("daphne"):
        from mcp_app import daphne_http

        daphne_http.install()
    if needs is None:
        needs = {"database": partial(try_database, written_apps())} if has_database() else {}
    routes, pages = routes_of(runtime, needs, room), counted(others, runtime.pages)

    def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            return _route(routes, scope, pages)(scope, receive, send)
        if scope["type"] == "lifespan":
            return _serve_lifespan(runtime, receive, send)
        passed_on: Awaitable[None] = others(scope, receive, send)
        return passed_on

    return finish_requests(name_process(application), runtime)


def routes_of(runtime: Runtime, needs: Needs, room: str) -> dict[str, Asgi]:
    """The applications of `mcp_application` by path; those of MCP also with a slash at the end.

    Args:
        runtime: The runtime of this process.
        needs: Readiness checks, in addition to those of the runtime.
        room: The path of the machine room; empty for none.
    """
    endpoints = {conf.path: Guard(StreamableHttp(runtime), runtime)}
    if conf.http_sse:
        endpoints[conf.sse_path] = Guard(Sse(runtime), runtime, is_sse=True)
        endpoints[conf.message_path] = Guard(SsePost(runtime), runtime, is_sse=True)
    browsers = tuple(conf.allowed_origins)
    routes: dict[str, Asgi] = {}
    for path, endpoint in endpoints.items():
        routes[path] = routes[f"{path}/"] = allow_origins(browsers, endpoint)
    if room:
        routes[room] = Guard(RoomFeed(runtime), runtime)
    info = runtime.server.session_manager.app.server_info_stamp
    if conf.server_card:
        routes[f"{conf.path}{CARD_SUFFIX}"] = Document(partial(server_card, info), CARD_TYPE)
    if conf.ai_catalog and conf.server_card:
        routes[CATALOG_PATH] = Document(partial(ai_catalog, info), CATALOG_TYPE)
    if conf.liveness_path:
        routes[conf.liveness_path] = Healthz()
    all_needs, measuring = {**runtime.needs, **needs}, runtime.measuring
    readyz = Readyz(all_needs, lambda: runtime.is_leaving, measuring.on_tried)
    if conf.readiness_path:
        routes[conf.readiness_path] = readyz
    if measuring.metrics.page is not None:
        routes[conf.metrics_path] = MetricsPage(measuring.metrics.page, readyz.first_fault)
    mcp = {path for endpoint in endpoints for path in (endpoint, f"{endpoint}/")}
    return {
        path: HeadLimit(app, runtime.observers if path in mcp else NOBODY) for path, app in routes.items()
    }


def _route(routes: Mapping[str, Asgi], scope: Scope, others: Asgi) -> Asgi:
    """The application for a request, whose path may begin with the path at which this one is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if path not in routes or root:
        path = "/" + path.removeprefix(root).lstrip("/")
        if path not in routes:
            path = root + path
    return routes.get(path, others)


async def _serve_lifespan(runtime: Runtime, receive: Receive, send: Send) -> None:
    """Let the server start, and stop the runtime when it ends, unless SIGTERM has done so."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    try:
        if not runtime.is_draining:
            await runtime.stop()
    except Exception as error:
        logger.exception("shutdown failed")
        await send({"type": "lifespan.shutdown.failed", "message": str(error)})
    else:
        await send({"type": "lifespan.shutdown.complete"})
