"""Cross-origin requests: what a browser client may send, and what it may read."""

from __future__ import annotations

import re
from collections.abc import Awaitable

from starlette.middleware.cors import CORSMiddleware

from mcp_app.transports.request import Asgi, Receive, Scope, Send

_EXPOSED = (
    "WWW-Authenticate",
    "Mcp-Session-Id",
    "Mcp-Protocol-Version",
    "Retry-After",
    "X-Request-Id",
    "X-Served-By",
)
_LOOPBACK = r"https?://(localhost|[a-z0-9-]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?"


def allow_origins(origins: tuple[str, ...], app: Asgi) -> Asgi:
    """Allow browser pages of these origins, and of loopback addresses, to call `app`.

    Credentials are not allowed. All request headers are allowed: `Mcp-Param-*` has no fixed names.
    """
    middleware = CORSMiddleware(
        app,
        allow_origin_regex="|".join([_LOOPBACK, *map(re.escape, origins)]),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["*"],
        expose_headers=_EXPOSED,
        max_age=600,
        # A public page may use a server on this computer or in a private network (Private Network Access).
        allow_private_network=True,
    )

    def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Only browsers send an Origin; other requests skip the middleware's overhead.
        is_browser = b"origin" in dict(scope["headers"])
        return (middleware if is_browser else app)(scope, receive, send)

    return application
