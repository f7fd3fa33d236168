"""The MCP endpoints as one ASGI application.

    application = mcp_application(get_asgi_application())

serves these, and passes every other request to Django:

/mcp                Streamable HTTP, all revisions
/sse  /message      HTTP+SSE of 2024-11-05
/healthz  /readyz   probes
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp_app.conf import conf
from mcp_app.runtime import Runtime
from mcp_app.transports.cors import allow_origins
from mcp_app.transports.guard import Guard
from mcp_app.transports.health import Healthz, Readyz
from mcp_app.transports.http_sse import MESSAGE_PATH, Sse, SsePost
from mcp_app.transports.request import Asgi, Receive, Scope, Send
from mcp_app.transports.streamable_http import StreamableHttp


def mcp_application(
    others: Any,
    *,
    runtime: Runtime | None = None,
    needs: Mapping[str, Callable[[], Awaitable[None]]] | None = None,
) -> Asgi:
    """An ASGI application for the scope type `http`.

    Args:
        others: The application for all other requests; usually that of `get_asgi_application()`.
        runtime: The runtime of this process; a new one if None.
        needs: Readiness checks by name, in addition to those of MCP.
    """
    runtime = runtime or Runtime()
    browsers = tuple(conf.allowed_origins)
    routes: dict[str, Asgi] = {"/healthz": Healthz()}
    routes["/readyz"] = Readyz({**runtime.needs, **(needs or {})}, lambda: runtime.is_draining)
    for path, endpoint in (
        ("/mcp", Guard(StreamableHttp(runtime), runtime)),
        ("/sse", Guard(Sse(runtime), runtime, is_sse=True)),
        (MESSAGE_PATH, Guard(SsePost(runtime), runtime, is_sse=True)),
    ):
        routes[path] = routes[f"{path}/"] = allow_origins(browsers, endpoint)

    def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path: str = scope["path"]
        if path not in routes or scope.get("root_path"):
            path = "/" + path.removeprefix(scope.get("root_path", "")).lstrip("/")
        return routes.get(path, others)(scope, receive, send)

    return application
