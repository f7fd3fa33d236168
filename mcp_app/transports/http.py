"""Reading requests and writing responses: the little of HTTP that the transports need."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any

from mcp_app.transports import errors
from mcp_app.transports.framing import to_json

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
HeaderList = Iterable[tuple[bytes, bytes]]

COMMON_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
"""What every response of an MCP endpoint says of itself."""

_JSON = (b"content-type", b"application/json")
JSON_HEADERS = (_JSON, *COMMON_HEADERS)

_LARGE_BODY = 256 * 1024
"""Bytes from which on a body is worth a collection: reading it takes longer."""

_HEADERS = "mcp.headers"


def headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers, by lower-case name. Read once a request.

    Repeated `Accept` lines are one list (RFC 9110 §5.3). No other header here is a list: the first counts.
    """
    headers: dict[str, str] | None = scope.get(_HEADERS)
    if headers is None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])
        }
        if len(headers) < len(scope["headers"]) and "accept" in headers:
            lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
            headers["accept"] = ", ".join(lines)
        scope[_HEADERS] = headers
    return headers


def accepts(headers: dict[str, str], media_type: str) -> bool:
    """Whether the Accept header admits a media type (RFC 9110 §12.5.1); quality values do not matter here."""
    accept = headers.get("accept")
    return accept is not None and _admits(accept, media_type)


@lru_cache(maxsize=256)
def _admits(accept: str, media_type: str) -> bool:
    kind = media_type.split("/")[0]
    offered = {part.split(";")[0].strip().lower() for part in accept.split(",")}
    return not offered.isdisjoint({media_type, f"{kind}/*", "*/*"})


async def read_body(scope: Scope, receive: Receive, headers: dict[str, str], limit: int) -> bytes:
    """The request's body.

    Raises:
        HttpError: The body is longer than `limit` bytes.
        ClientDisconnected: The client left before it was complete.
    """
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise errors.body_too_large(limit)
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        body += message.get("body", b"")
        if len(body) > limit:
            raise errors.body_too_large(limit)
        if not message.get("more_body", False):
            if len(body) > _LARGE_BODY:
                _free_earlier_bodies()
            return body


def _free_earlier_bodies() -> None:
    """Collect garbage: a request that is over lies in reference cycles, and its body with it.

    The collector counts objects, and a large body is one object like any other. Young garbage goes each
    time; every eleventh time all, for what was not yet garbage when the young were looked at.
    """
    collections_of_the_young = gc.get_count()[2]
    gc.collect(2 if collections_of_the_young >= 10 else 1)


class ClientDisconnected(Exception):
    """The client left; there is nobody to answer."""


async def until_disconnect(receive: Receive) -> None:
    """Return when the client has closed the connection, or the response is complete."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def respond(send: Send, status: int, body: bytes = b"", headers: HeaderList = ()) -> None:
    """Send a whole response."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def respond_json(send: Send, status: int, message: Any, headers: HeaderList = ()) -> None:
    await respond(send, status, to_json(message), [_JSON, *headers])


async def respond_error(send: Send, error: errors.HttpError, request_id: Any = None) -> None:
    """Refuse a request: a JSON-RPC error with its HTTP status."""
    await respond_json(send, error.status, error.body(request_id), [*error.headers, *COMMON_HEADERS])
