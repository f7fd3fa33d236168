"""`X-Served-By`: which process served a response."""

from __future__ import annotations

from collections.abc import Awaitable, MutableMapping
from typing import Any

from mcp_app.conf import conf
from mcp_app.transports.request import Asgi, Receive, Scope, Send


def name_process(app: Asgi) -> Asgi:
    """Wrap the application so that its responses carry `X-Served-By`, if `MCP_SERVED_BY` is on.

    Args:
        app: The application for all paths, so that the header is on every response.
    """
    if not conf.served_by:
        return app
    header = (b"x-served-by", conf.process_name.encode())

    def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return app(scope, receive, send)

        def send_named(message: MutableMapping[str, Any]) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
            return send(message)

        return app(scope, receive, send_named)

    return application
