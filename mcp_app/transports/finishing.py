"""Requests at the end of a process: each is answered, and none meets a connection that is being closed."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, MutableMapping
from typing import Any

from mcp_app.conf import conf
from mcp_app.runtime import Runtime
from mcp_app.shutdown import InFlight
from mcp_app.transports.request import Asgi, Receive, Scope, Send

_CLOSE = (b"connection", b"close")


def finish_requests(app: Asgi, runtime: Runtime) -> Asgi:
    """Wrap the application so that its requests are counted, and a shutdown waits for them.

    While the process is leaving, responses have `Connection: close`: a proxy that keeps connections open then
    sends no further request on this one, and so none at the moment when it is closed (RFC 9112 §9.6). With a
    lame-duck time, event streams always have it: they may begin long before SIGTERM and end with the process.

    The result is a coroutine function: servers take anything else for an application of ASGI 2.

    Args:
        app: The application for all paths.
        runtime: The runtime of this process.
    """
    requests = runtime.requests

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return

        def send_last(message: MutableMapping[str, Any]) -> Awaitable[None]:
            if message["type"] == "http.response.start" and is_http_1:
                headers = message.get("headers", ())
                if runtime.is_leaving or (conf.lame_duck_seconds and _is_event_stream(headers)):
                    message["headers"] = [*headers, _CLOSE]
            return send(message)

        is_http_1 = scope.get("http_version", "1.1").startswith("1")  # RFC 9113 §8.2.2 forbids it
        requests.count += 1
        try:
            await app(scope, receive, send_last)
        finally:
            requests.count -= 1

    return application


def _is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers
    )


def counted(app: Asgi, requests: InFlight) -> Asgi:
    """Wrap the application so that its requests are counted while it answers them.

    Args:
        app: The application.
        requests: Where they are counted.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        requests.count += 1
        try:
            await app(scope, receive, send)
        finally:
            requests.count -= 1

    return application
