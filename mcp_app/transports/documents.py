"""Public JSON documents beside the endpoints: they need no token, and pages of any origin may read them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from mcp_app.protocol.messages import to_json
from mcp_app.transports.request import Headers, Receive, Scope, Send
from mcp_app.transports.responses import respond, respond_json

CACHE_SECONDS = 3600
_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET"),
    (b"access-control-allow-headers", b"Content-Type, If-None-Match"),
    (b"access-control-expose-headers", b"ETag"),
)
"""SEP-2127, discovery.md, "CORS Requirements"."""


class Document:
    """A document that is the same for everybody. It is made once, at the first request, from settings.

    It ignores the Host header, and a response costs no more than one of a probe, so it has no rate limit.

    Args:
        content: Makes the document.
        media_type: Its type.
    """

    def __init__(self, content: Callable[[], dict[str, Any]], media_type: str) -> None:
        self._content = content
        self._type = (b"content-type", media_type.encode())
        self._body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == "OPTIONS":
            await respond(send, 204, headers=[*_CORS, (b"access-control-max-age", b"86400")])
        elif method not in ("GET", "HEAD"):
            headers = [*_CORS, (b"allow", b"GET, HEAD, OPTIONS")]
            await respond_json(send, 405, {"error": "method_not_allowed"}, headers)
        else:
            await self._respond(Headers(scope["headers"]), send, is_head=method == "HEAD")

    async def _respond(self, headers: Headers, send: Send, *, is_head: bool) -> None:
        if not self._body:
            self._body = to_json(self._content())
        tag = f'"{hashlib.sha256(self._body).hexdigest()[:32]}"'
        caching = [
            *_CORS,
            (b"cache-control", f"public, max-age={CACHE_SECONDS}".encode()),
            (b"etag", tag.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        if _names(headers.get("if-none-match", ""), tag):
            await send({"type": "http.response.start", "status": 304, "headers": caching})
            await send({"type": "http.response.body", "body": b""})
            return
        length = (b"content-length", str(len(self._body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [self._type, *caching, length]})
        await send({"type": "http.response.body", "body": b"" if is_head else self._body})


def _names(condition: str, tag: str) -> bool:
    """Whether an If-None-Match names this tag, which is compared weakly (RFC 9110 §13.1.2)."""
    tags = [one.strip().removeprefix("W/") for one in condition.split(",")]
    return tag in tags or condition.strip() == "*"
