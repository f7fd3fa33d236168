"""Complete responses; for event streams see `event_streams`."""

from __future__ import annotations

from typing import Any

from mcp_types import RequestId

from mcp_app.protocol.messages import to_json
from mcp_app.transports import errors
from mcp_app.transports.request import Send

COMMON_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
"""The headers of every response of an MCP endpoint."""

_JSON = (b"content-type", b"application/json")
JSON_HEADERS = (_JSON, *COMMON_HEADERS)


async def respond(send: Send, status: int, body: bytes = b"", headers: errors.HeaderList = ()) -> None:
    """Send a complete response."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def respond_json(send: Send, status: int, message: Any, headers: errors.HeaderList = ()) -> None:
    await respond(send, status, to_json(message), [_JSON, *headers])


async def respond_error(send: Send, error: errors.HttpError, request_id: RequestId | None = None) -> None:
    """Send a JSON-RPC error with its HTTP status."""
    await respond_json(send, error.status, error.body(request_id), [*error.headers, *COMMON_HEADERS])
