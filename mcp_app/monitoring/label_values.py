"""Which values the attributes of metrics may have: those that the server knows in advance.

Clients choose methods, tools and revisions as they like. Each new value would be a further time series, kept
for as long as the process runs.
"""

from __future__ import annotations

import re
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from mcp_app.monitoring.metrics import OTHER

MAX_TOOLS = 500
"""How many tools have time series of their own; a server may add tools as it runs."""

_CODE = re.compile(r"-32(700|60[0-3]|0\d\d)")
"""The codes that JSON-RPC 2.0 (§5.1) defines, or leaves to protocols such as MCP."""

_WORDS = frozenset({"tool_error", "cancelled", "lost"})
_REVISIONS = frozenset(KNOWN_PROTOCOL_VERSIONS)


class LabelValues:
    """The values that attributes may have in a process; others become `_OTHER`.

    Until `use`, there are no known methods and tools.
    """

    def __init__(self) -> None:
        self._server: MCPServer[Any] | None = None
        self._methods = {"initialize"}
        self._tools: frozenset[str] = frozenset()
        self._met_unknown = True

    async def use(self, server: MCPServer[Any]) -> None:
        """Know the methods and the tools of a server."""
        self._server = server
        await self.look_again()

    async def look_again(self) -> None:
        """See whether the server has new tools, if an unknown one was called since the last time."""
        if self._met_unknown and self._server is not None:
            self._met_unknown = False
            names = sorted(tool.name for tool in await self._server.list_tools())
            self._tools = frozenset([*names[:MAX_TOOLS]])

    def method(self, name: str) -> str:
        """A method that the server has."""
        if name in self._methods:
            return name
        server = self._server
        if server is None or server.session_manager.app.get_request_handler(name) is None:
            return OTHER
        self._methods.add(name)
        return name

    def tool(self, name: str | None) -> str:
        """A tool that the server has; empty for None. A new one is known seconds after its first call."""
        if name is None or name in self._tools:
            return name or ""
        self._met_unknown = True
        return OTHER

    @staticmethod
    def revision(name: str) -> str:
        """A revision of the protocol; empty while it is being negotiated."""
        return name if not name or name in _REVISIONS else OTHER

    @staticmethod
    def error_type(name: str | None) -> str:
        """How a call ended, or the code of its error; empty for None."""
        if name is None:
            return ""
        return name if name in _WORDS or _CODE.fullmatch(name) else OTHER
