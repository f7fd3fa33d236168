"""Which scopes an operation needs, and whether those of a token are enough.

A refusal must be an HTTP status with a challenge (403, RFC 6750 §3.1), so it is decided before the
operation runs, when nothing of a response has been sent. The transports know the message by then; the tool
itself, which runs behind JSON-RPC, could only answer with an error inside a 200, and no client
steps up on that. So a tool declares its scopes where it is registered (`needing`), in its `_meta`, where
clients can read them too, and the transports ask `ToolScopes` before they start a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mcp.server.mcpserver import MCPServer

META_KEY = "everything-server/scopes"

IMPLIED: Mapping[str, frozenset[str]] = {"mcp:admin": frozenset({"mcp"})}
"""The broader scopes and what they imply (2026-07-28, Step-Up Authorization Flow: hierarchies count)."""


def needing(*scopes: str) -> dict[str, Any]:
    """The `_meta` of a tool that needs these scopes, besides those that every request needs."""
    return {META_KEY: list(scopes)}


def suffice(held: Iterable[str], needed: Iterable[str]) -> bool:
    """Whether these scopes of a token are enough."""
    have = set(held)
    for scope in list(have):
        have |= IMPLIED.get(scope, frozenset())
    return have.issuperset(needed)


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
