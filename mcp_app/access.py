"""Authorization of tool calls. A tool declares the scopes that it needs:

    server.add_tool(refund, meta=needing("orders:write"))

They are in the tool's `_meta`, where clients can read them, and are checked before a call runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcp.server.mcpserver import MCPServer

META_KEY = "everything-server/scopes"


def needing(*scopes: str) -> dict[str, Any]:
    """The `_meta` of a tool that needs these scopes, in addition to those of every request."""
    return {META_KEY: list(scopes)}


class ToolScopes:
    """The scopes that the tools of a server need, by name."""

    def __init__(self, server: MCPServer[Any]) -> None:
        self._server = server
        self._needed: dict[str, tuple[str, ...]] = {}

    async def needed(self, method: str, params: Mapping[str, Any] | None) -> Sequence[str]:
        """The scopes that a request needs in addition to those of every request; usually none.

        They depend on the method and the tool, not on arguments, so one challenge can name all of them.
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
