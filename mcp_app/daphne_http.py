"""How Daphne reads HTTP here: no form parsing, no root path from clients, opaque header bytes, the absolute
form of a target, one host and one origin, an error response where Twisted sends none, and a limit to the time
that a request may take to arrive.

Daphne builds its HTTP factory itself and has no option for any of this. Twisted has: a factory's class
attribute `protocol` is the callable that makes the protocol of a connection. `install` sets it on Daphne's
factory. `mcp_application` calls it, and every Daphne makes its factory after the application, so this holds
however the server was started: by `daphne`, by `manage.py runserver` or by a program that makes a
`daphne.server.Server`.
"""

from __future__ import annotations

import json
import re
import time
from time import monotonic
from typing import Any, cast

import twisted
from daphne.http_protocol import HTTPFactory, WebRequest
from django.core.exceptions import ImproperlyConfigured
from twisted.web.http import HTTPChannel

from mcp_app.conf import BODY_SECONDS

_NEXT_LINE = b"\x85"
"""A byte that Daphne refuses in a header's value: an encoded text may hold it (RFC 9110 §5.5, obs-text)."""

_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)([/?][^#]*)?", re.IGNORECASE)
"""The absolute form of a request's target: its authority, and its path and query."""

_SINGLE = (b"host", b"origin")
"""The headers that decide whether a request is accepted: if there are two lines, a proxy may have used the
other one."""

_TWISTED = (25, 5)
"""The first release that can leave forms unparsed."""

_MAX_DIGITS = 18
"""How long a Content-Length may be. Python reads no number of more than 4,300 digits."""

_LINGER_SECONDS = 2.0
"""How long input is discarded after a refusal. Closing at once would reset the connection and lose it."""

HEAD_SECONDS = 30.0
"""How long the head of a request may take to arrive, from its first byte."""


class Request(WebRequest):
    """A request that reaches the application as the client sent it."""

    uri: bytes
    path: bytes

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Twisted parses forms on the event loop, in time that grows with the square of the body's length,
        # for a result that Daphne never reads (https://github.com/twisted/twisted/issues/12412).
        super().__init__(*args, **kwargs | {"parsePOSTFormSubmission": False})

    def process(self) -> None:
        for name in _SINGLE:
            if len(self.requestHeaders.getRawHeaders(name, ())) > 1:  # RFC 9112 §3.2, RFC 6454 §7.3
                self._refuse(f"There must be one {name.decode().title()} header at the most.")
                return
        if not self.uri.startswith(b"/"):
            self._read_absolute_form()
        # Daphne takes the root path from any client's header; operators set `--root-path`.
        self.requestHeaders.removeHeader(b"daphne-root-path")
        kept = self._hide_next_line()
        super().process()
        if kept:
            # The application has been created, and runs when this returns. A WebSocket handshake keeps the
            # harmless values: its parser would take the byte for the end of a line.
            headers = getattr(self, "clean_headers", [])
            headers[:] = [(name, next(kept[name]) if name in kept else value) for name, value in headers]

    def _read_absolute_form(self) -> None:
        """Serve `GET http://host/path` as `GET /path` of that host, whatever Host says (RFC 9112 §3.2.2)."""
        if match := _ABSOLUTE.fullmatch(self.uri):
            authority, target = match[1], match[2] or b"/"
            self.uri = target if target.startswith(b"/") else b"/" + target
            self.path = self.uri.partition(b"?")[0]
            self.requestHeaders.setRawHeaders(b"host", [authority])

    def _refuse(self, message: str) -> None:
        """Answer with 400 before any application is asked."""
        self.request_start = time.time()  # Daphne sets it in code that does not run
        body = _error(message)
        headers = [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))]
        self.handle_reply({"type": "http.response.start", "status": 400, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": body})

    def _hide_next_line(self) -> dict[bytes, Any]:
        """Replace the values that Daphne would refuse, and return the real ones by lower-case name.

        Daphne refuses the byte since its WebSocket library splits headers there; for HTTP it is data.
        """
        kept = {
            name: values
            for name, values in self.requestHeaders.getAllRawHeaders()
            if any(_NEXT_LINE in value for value in values)
        }
        for name, values in kept.items():
            self.requestHeaders.setRawHeaders(name, [value.replace(_NEXT_LINE, b"?") for value in values])
        return {name.lower(): iter(values) for name, values in kept.items()}


class Channel(HTTPChannel):
    """A connection that rejects a head that is too large, and a request that takes too long to arrive.

    If a head is too large, Twisted closes the connection without a byte, or answers with an empty 400
    (https://github.com/twisted/twisted/issues/4892). The limits are Twisted's: `totalHeadersSize` bytes for
    the request line and all headers, and `maxHeaders` headers.

    Twisted closes a connection on which nothing arrives for a minute, but one byte begins another minute.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_refused = False
        self._lines = 0
        self._bytes = 0
        self._due: float | None = None
        """When what is arriving has to be complete; None if nothing is."""
        self._is_answering = False

    @property
    def requestFactory(self) -> Any:
        """The class of requests on this connection. Daphne sets its own class, which ours extends."""
        return Request

    @requestFactory.setter
    def requestFactory(self, value: Any) -> None:
        if not issubclass(Request, value):
            raise TypeError(f"Daphne makes its requests with {value}, which mcp_app does not extend.")

    def dataReceived(self, data: bytes) -> None:
        if self._is_refused:
            return
        if not self._is_answering:  # otherwise it is kept for later
            if self._due is None:
                self._due = monotonic() + HEAD_SECONDS
            elif monotonic() > self._due:
                self._refuse(b"408 Request Timeout", "The request took too long to arrive.")
                return
        super().dataReceived(data)

    def rawDataReceived(self, data: bytes) -> None:
        if not self._is_refused:
            super().rawDataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        if not line and not self._lines:
            self._due = None  # an empty line before a head belongs to no request (RFC 9112 §2.2)
        self._lines += bool(line)
        self._bytes += len(line)
        if self._bytes > self.totalHeadersSize or self._lines > self.maxHeaders + 1:
            self._refuse_head()
        else:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        self._lines += 1
        self._refuse_head()

    def headerReceived(self, line: bytes) -> bool:
        if len(line) > _MAX_DIGITS and line[:15].lower() == b"content-length:":
            digits = line[15:].strip(b" \t")
            if len(digits) > _MAX_DIGITS and digits.isdigit():
                message = f"The Content-Length has more than {_MAX_DIGITS} digits."
                self._refuse(b"413 Content Too Large", message)
                return False
        return bool(super().headerReceived(line))

    def allHeadersReceived(self) -> None:
        self._lines = self._bytes = 0
        self._due = monotonic() + BODY_SECONDS
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        self._due = None
        self._is_answering = True
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        self._is_answering = False
        if request.responseHeaders.getRawHeaders(b"connection") == [b"close"]:
            self.persistent = False  # Twisted looks only at what the client asked for
        super().requestDone(request)

    def _refuse_head(self) -> None:
        """Reject a head with 414 (RFC 9110 §15.5.15) or 431 (RFC 6585 §5)."""
        most = f"{self.totalHeadersSize} bytes, headers and URL together, and {self.maxHeaders} headers"
        if self._lines > 1:
            message = f"The headers are too large; the most is {most}. Is a token or a cookie very long?"
            self._refuse(b"431 Request Header Fields Too Large", message)
        else:
            self._refuse(b"414 URI Too Long", f"The URL is too long; the most is {most}.")

    def _refuse(self, status: bytes, message: str) -> None:
        """Answer with an error, and discard what else arrives."""
        body = _error(message)
        head = (
            b"HTTP/1.1 " + status,
            b"Content-Type: application/json",
            b"Content-Length: %d" % len(body),
            b"Connection: close",
        )
        cast(Any, self.transport).write(b"\r\n".join([*head, b"", body]))
        self._is_refused = True
        self.clearLineBuffer()
        self.setTimeout(_LINGER_SECONDS)


def _error(message: str) -> bytes:
    """The body of an error response: a JSON-RPC error, Invalid Request."""
    return json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": message}}).encode()


def install() -> None:
    """Make every Daphne of this process read HTTP with `Channel` and `Request`.

    TLS and HTTP/2 are left to the proxy: `Channel` supports only HTTP/1.1.

    Raises:
        ImproperlyConfigured: Twisted is too old.
    """
    installed = twisted.__version__
    if tuple(int(number) for number in installed.split(".")[:2]) < _TWISTED:
        raise ImproperlyConfigured(
            f"Twisted {installed} parses forms on the event loop, so that one request can block a process: "
            "pip install daphne, or set MCP_DAPHNE_HTTP = False."
        )
    HTTPFactory.protocol = Channel
