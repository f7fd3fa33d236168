"""MCP clients that were given a URL without the endpoint's path: they are told where it is."""

from __future__ import annotations

from django.urls import is_valid_path

from mcp_app.conf import conf
from mcp_app.transports import errors, http
from mcp_app.transports.cors import open_to


class Elsewhere:
    """ASGI middleware in front of the pages: refuses what only a client of MCP sends there.

    A page would tell such a client nothing, and the answer to its POST would be about cookies.

    Args:
        pages: The application that serves the pages.
        origins: The origins whose pages may read the refusal, besides those on this computer.
        urlconf: The URLs of the pages, if they are not those of ROOT_URLCONF.
    """

    def __init__(self, pages: http.Asgi, origins: tuple[str, ...], urlconf: str | None = None) -> None:
        self._pages = pages
        self._urlconf = urlconf
        self._refuse = open_to(origins, _refuse)

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        is_of_mcp = _is_of_mcp(scope["method"], http.headers_of(scope))
        is_wrong = is_of_mcp and not self._is_for_programs(scope["path"])
        await (self._refuse if is_wrong else self._pages)(scope, receive, send)

    def _is_for_programs(self, path: str) -> bool:
        """Whether something answers here that may be asked for JSON. The landing page may not."""
        return path != "/" and bool(is_valid_path(path, self._urlconf))


def _is_of_mcp(method: str, headers: dict[str, str]) -> bool:
    """Whether a request looks like one of the transports, or like the preflight of one."""
    if "mcp-session-id" in headers or "text/event-stream" in headers.get("accept", "").lower():
        return True
    if method == "POST":
        return headers.get("content-type", "").split(";")[0].strip().lower() == "application/json"
    return method == "OPTIONS" and "access-control-request-method" in headers


async def _refuse(scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
    await http.respond_error(send, errors.no_endpoint(conf.resource_url))
