"""Whether a request may be re-run after its process died."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp.server.mcpserver import MCPServer

MayRepeat = Callable[[str, Mapping[str, Any] | None], Awaitable[bool]]
"""Whether a request (method, params) is safe to run twice."""

_METHODS = frozenset(
    {
        "completion/complete",
        "logging/setLevel",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "tools/list",
    }
)


async def may_repeat(server: MCPServer[Any], method: str, params: Mapping[str, Any] | None) -> bool:
    """Whether a request is safe to run twice: reads, and tools whose annotations say so."""
    if method != "tools/call":
        return method in _METHODS
    name = (params or {}).get("name")
    for tool in await server.list_tools():
        if tool.name == name and tool.annotations is not None:
            return bool(tool.annotations.read_only_hint or tool.annotations.idempotent_hint)
    return False
