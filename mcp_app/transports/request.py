"""Reading requests: the little of HTTP that the transports need."""

from __future__ import annotations

import gc
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any

from mcp_types import RequestId

from mcp_app.conf import conf
from mcp_app.transports import errors

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
HeaderList = Iterable[tuple[bytes, bytes]]

_ZERO = re.compile(r"q\s*=\s*0(\.0*)?")
"""The parameter by which a client refuses a media type."""

_LARGE_BODY = 256 * 1024
"""Bytes from which on a body is worth a collection: reading it takes longer."""

_HEADERS = "mcp.headers"
_REQUEST_ID = "mcp.request_id"

_LISTS = {"accept", "mcp-protocol-version"}
"""The headers whose repeated lines are read as one list."""


def headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers, by lower-case name. Read once a request.

    Repeated `Accept` lines are one list (RFC 9110 §5.3), and so are protocol versions that contradict each
    other: no such list is a version. No other header here is a list: the first counts.
    """
    headers: dict[str, str] | None = scope.get(_HEADERS)
    if headers is None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])
        }
        if len(headers) < len(scope["headers"]):
            for name in _LISTS & headers.keys():
                lines = [line.decode("latin-1") for key, line in scope["headers"] if key == name.encode()]
                headers[name] = ", ".join(dict.fromkeys(lines))
        scope[_HEADERS] = headers
    return headers


def remember_request_id(scope: Scope, request_id: RequestId) -> None:
    """Note the JSON-RPC id of the request that was read, for whoever has to refuse it."""
    scope[_REQUEST_ID] = request_id


def request_id_of(scope: Scope) -> RequestId | None:
    """The JSON-RPC id of the request, if one has been read."""
    return scope.get(_REQUEST_ID)


def accepts(headers: dict[str, str], media_type: str) -> bool:
    """Whether a response of a media type is acceptable (RFC 9110 §12.5.1).

    Without an Accept header anything is; an empty one is taken alike. The most specific range decides, and
    of the quality values only zero matters.
    """
    accept = headers.get("accept")
    return not accept or _admits(accept, media_type)


@lru_cache(maxsize=256)
def _admits(accept: str, media_type: str) -> bool:
    kind = media_type.split("/")[0]
    quality: dict[str, bool] = {}
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality[media_range] = not any(_ZERO.fullmatch(parameter) for parameter in parameters)
    ranges = (media_type, f"{kind}/*", "*/*")
    return next((quality[media_range] for media_range in ranges if media_range in quality), False)


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


async def read_post(
    scope: Scope, receive: Receive, headers: dict[str, str], *, check_accept: bool = True
) -> bytes:
    """The body of a POST whose headers are as they must be (Streamable HTTP, Sending Messages).

    Raises:
        HttpError: Wrong Content-Type or Accept, or a body that is too long.
    """
    if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise errors.HttpError(415, "The Content-Type must be application/json.")
    if check_accept and not (accepts(headers, "application/json") and accepts(headers, "text/event-stream")):
        raise errors.HttpError(406, "A POST must accept both application/json and text/event-stream.")
    return await read_body(scope, receive, headers, conf.max_body_bytes)
