"""Limits for the head of a request, whatever the server: Daphne has limits that other servers do not have."""

from __future__ import annotations

from collections.abc import Awaitable

from mcp_app.conf import BODY_SECONDS
from mcp_app.coordination.shared_timeout import SharedTimeout
from mcp_app.observers import NOBODY, Observers
from mcp_app.transports.errors import HttpError
from mcp_app.transports.request import Asgi, Receive, Request, Scope, Send
from mcp_app.transports.responses import respond_error

MAX_HEAD_BYTES = 16_384
"""The URL and all headers together: the limit of Twisted, and so of Daphne."""

MAX_HEADERS = 500

_TOO_LARGE = (
    f"The URL and the headers may have {MAX_HEAD_BYTES} bytes together, "
    f"and there may be {MAX_HEADERS} headers."
)

_ODD_HOST = "A request of HTTP/1.1 must have one Host header."

_ODD_LENGTH = "Content-Length must be one number."

_MAX_DIGITS = 18
"""The maximum length of a Content-Length."""


class HeadLimit:
    """ASGI middleware: responds to a head that no application should read.

    With 431 (RFC 6585 §5) to one that Daphne would not accept either; with 400 if it does not have one Host
    (RFC 9112 §3.2), for which Django would use the server's address, or if its Content-Length is no number
    (RFC 9110 §8.6), which Django does not expect.

    Args:
        app: The application that gets all other requests.
        observers: Notified of the refused requests to MCP endpoints.
    """

    def __init__(self, app: Asgi, observers: Observers = NOBODY) -> None:
        self._app = app
        self._observers = observers

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and (refusal := _refusal(scope)):
            if self._observers is not NOBODY:
                request = Request(scope, receive, send, SharedTimeout(BODY_SECONDS))
                request.tell_refused(self._observers, refusal)
            return respond_error(send, refusal)
        return self._app(scope, receive, send)


def _refusal(scope: Scope) -> HttpError | None:
    """The reason if a head is refused."""
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS:
        return HttpError(431, _TOO_LARGE)
    size = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
    hosts, is_odd_length = 0, False
    for name, value in headers:
        size += len(name) + len(value)
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            is_odd_length |= not value.isdigit() or len(value) > _MAX_DIGITS
    if size > MAX_HEAD_BYTES:
        return HttpError(431, _TOO_LARGE)
    if is_odd_length:
        return HttpError(400, _ODD_LENGTH)
    # Before 1.1 there may be none; since 2 there is `:authority`.
    if hosts != 1 and scope.get("http_version") == "1.1":
        return HttpError(400, _ODD_HOST)
    return None
