"""What a request's head may be, and the size and time of a body for Django, whatever the server.

Daphne has limits for the head that other servers do not have, and none for the body. The MCP endpoints limit
their bodies themselves.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

from mcp_app.conf import BODY_SECONDS

Asgi = Callable[[Any, Any, Any], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

MAX_HEAD_BYTES = 16_384
"""The URL and all headers together: the limit of Twisted, and so of Daphne."""

MAX_HEADERS = 500

HEAD_TOO_LARGE = (
    f"The URL and the headers may have {MAX_HEAD_BYTES} bytes together, "
    f"and there may be {MAX_HEADERS} headers."
)

ODD_HOST = "A request of HTTP/1.1 must have one Host header."

ODD_LENGTH = "Content-Length must be one number."

_LENGTH = re.compile(rb"[0-9]{1,18}")


class HeadLimit:
    """ASGI middleware: responds to a head that no application should read.

    With 431 (RFC 6585 §5) to one that Daphne would not accept either; with 400 if it does not have one Host
    (RFC 9112 §3.2), for which Django would use the server's address, or if its Content-Length is no number
    (RFC 9110 §8.6), which Django does not expect.
    """

    def __init__(self, app: Asgi) -> None:
        self._app = app

    def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> Awaitable[None]:
        if scope["type"] == "http" and (refusal := _refusal(scope)):
            return _refuse(send, *refusal)
        return self._app(scope, receive, send)


def _refusal(scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
    """The status and the reason if a head is refused."""
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS:
        return 431, HEAD_TOO_LARGE
    size, hosts, fault = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]), 0, ""
    for name, value in headers:
        size += len(name) + len(value)
        if name == b"host":
            hosts += 1
        elif name == b"content-length" and not _LENGTH.fullmatch(value):
            fault = ODD_LENGTH
    if size > MAX_HEAD_BYTES:
        return 431, HEAD_TOO_LARGE
    # Before 1.1 there may be none; since 2 there is `:authority`.
    if not fault and hosts != 1 and scope.get("http_version") == "1.1":
        fault = ODD_HOST
    return (400, fault) if fault else None


async def _refuse(send: Any, status: int, reason: str) -> None:
    # A JSON-RPC error, Invalid Request.
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": reason}}
    body = json.dumps(error).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class LimitedBody:
    """The ASGI receive callable for Django: a client whose body is too long or too slow seems to disconnect.

    Attributes:
        refusal: The status and the reason that such a client is to be told.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._room = self._most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        self._due: float | None = asyncio.get_running_loop().time() + BODY_SECONDS
        self.refusal: tuple[int, str] | None = None

    async def __call__(self) -> MutableMapping[str, Any]:
        try:
            async with asyncio.timeout_at(self._due):
                message = await self._receive()
        except TimeoutError:
            self.refusal = 408, "The body took too long to arrive."
            return {"type": "http.disconnect"}
        self._room -= len(message.get("body", b""))
        if self._room < 0:
            self.refusal = 413, f"The body may have {self._most} bytes here."
            return {"type": "http.disconnect"}
        if not message.get("more_body", False):
            self._due = None  # what comes next is that the client has left
        return message
