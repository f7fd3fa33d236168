"""Who may use a tool. A tool says what it needs where it is registered:

    server.add_tool(refund, meta=needing("orders:write"))

It is in the tool's `_meta`, where clients can read it, and is looked at before a call runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcp.server.mcpserver import MCPServer

META_KEY = "everything-server/scopes"


def needing(*scopes: str) -> dict[str, Any]:
    """The `_meta` of a tool that needs these scopes, besides those that every request needs."""
    return {META_KEY: list(scopes)}


class ToolScopes:
    """What the tools of a server need, looked up by name."""

    def __init__(self, server: MCPServer[Any]) -> None:
        self._server = server
        self._needed: dict[str, tuple[str, ...]] = {}

    async def needed(self, method: str, params: Mapping[str, Any] | None) -> Sequence[str]:
        """The scopes that a request needs besides those of every request; mostly none.

        It depends on the method and the tool, not on arguments: one challenge names all there is to ask for.
        """
        name = (params or {}).get("name")
        if method != "tools/call" or not isinstance(name, str):
            return ()
        if name not in self._needed:  # at first, and when a tool has been added since
            self._needed = {
                tool.name: tuple((tool.meta or {}).get(META_KEY, ()))
                for tool in await self._server.list_tools()
            }
        return self._needed.get(name, ())
