"""Shows people who open an MCP endpoint in a browser how to connect, instead of a 401 in JSON."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from mcp_app.conf import conf

Asgi = Callable[[Any, Any, Any], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
"""What every browser names when a person opens an address (WHATWG Fetch, "document"), and no MCP client."""

_CLIENT_TYPES = frozenset({"text/event-stream", "application/json"})
_CLIENT_HEADERS = frozenset({b"authorization", b"mcp-session-id", b"mcp-protocol-version", b"last-event-id"})


class ConnectPage:
    """ASGI middleware: a GET of an endpoint by a browser goes to the pages, everything else to the app.

    Args:
        app: The application with the MCP endpoints.
        pages: The application with the page, at the same paths.
    """

    def __init__(self, app: Asgi, pages: Asgi) -> None:
        self._app = app
        self._pages = pages
        self._path = re.compile("|".join(patterns()))

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        is_for_person = (
            scope["type"] == "http"
            and scope["method"] in ("GET", "HEAD")
            and self._path.match(scope["path"].removeprefix("/"))
            and is_browser(scope["headers"])
        )
        return (self._pages if is_for_person else self._app)(scope, receive, send)


def patterns() -> list[str]:
    """For each endpoint that a GET may address, what matches its path without the first slash."""
    paths = [conf.path, conf.sse_path] if conf.http_sse else [conf.path]
    return [rf"^{re.escape(path.removeprefix('/'))}/?$" for path in paths]


def is_browser(headers: Headers) -> bool:
    """Whether a person has opened the address: HTML is asked for, and nothing that a client would ask for."""
    types: set[str] = set()
    for name, value in headers:
        if name in _CLIENT_HEADERS:
            return False
        if name == b"accept":
            types.update(
                part.partition(";")[0].strip() for part in value.decode("latin-1").lower().split(",")
            )
    return types >= _PAGE_TYPES and not types & _CLIENT_TYPES
