"""The head of an HTTP/1.1 request; the relay changes as little of it as possible."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

from mcp_types import INTERNAL_ERROR, INVALID_REQUEST, ErrorData

from mcp_app.protocol.messages import error_response

HEAD_SECONDS = 30.0
"""How long a head may take to arrive."""

MAX_HEAD_BYTES = 64 * 1024
"""The processes accept less, and say so themselves."""

_NOT_PASSED_ON = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"x-try-process"})


class Refusal(Exception):
    """A request that the relay answers with an error."""

    def __init__(self, status: int, reason: str, headers: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers

    def response(self, *, is_mcp: bool = False) -> bytes:
        """The response.

        Args:
            is_mcp: Whether a client of MCP gets it, which expects an error of JSON-RPC.
        """
        if not is_mcp:
            return response(self.status, {"error": str(self)}, self.headers)
        code = INTERNAL_ERROR if self.status >= 500 else INVALID_REQUEST
        error = error_response(None, ErrorData(code=code, message=str(self)))
        return response(self.status, error, self.headers)


def response(status: int, body: Any, headers: tuple[str, ...] = ()) -> bytes:
    """A response in JSON, after which the connection is closed.

    Args:
        status: The HTTP status.
        body: What becomes JSON.
        headers: Further lines of the head.
    """
    content = json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Cross-Origin-Resource-Policy: same-origin",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Head:
    """A request line and the lines of its headers."""

    def __init__(self, data: bytes) -> None:
        self._request_line, *self._lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
        self.method, _, rest = self._request_line.partition(b" ")
        self.path = rest.partition(b" ")[0].partition(b"?")[0]

    def values(self, name: bytes) -> list[bytes]:
        """The values of a header, by its name in lower case."""
        fields = (line.partition(b":") for line in self._lines)
        return [value.strip(b" \t") for key, _, value in fields if key.lower() == name]

    def for_one_request(self) -> bytes:
        """The head as it is passed on: the connection ends with the response, and so says the response."""
        passed_on = [self._request_line]
        is_upgrade, is_kept = bool(self.values(b"upgrade")), True
        for line in self._lines:
            if not line.startswith((b" ", b"\t")):  # otherwise it continues the line before (RFC 9112 §5.2)
                is_kept = is_upgrade or line.partition(b":")[0].lower() not in _NOT_PASSED_ON
            if is_kept:
                passed_on.append(line)
        if not is_upgrade:
            passed_on.append(b"Connection: close")
        return b"\r\n".join([*passed_on, b"", b""])


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read the head of a request; None if the client leaves before it is complete.

    Args:
        reader: A reader whose limit is `MAX_HEAD_BYTES`.

    Raises:
        Refusal: The head is too large, or takes too long.
    """
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            while True:
                data = (await reader.readuntil(b"\r\n\r\n")).lstrip(b"\r\n")
                if data:  # empty lines before a head belong to no request (RFC 9112 §2.2)
                    return Head(data)
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise Refusal(431, f"The URL and the headers may have {MAX_HEAD_BYTES} bytes together.") from None
    except TimeoutError:
        raise Refusal(408, "The request took too long to arrive.") from None
