"""What a run has learned about a server, for checks that are about all of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Facts:
    """
    Attributes:
        is_protected: Whether the endpoint wants a token.
        resource: The metadata of the resource.
        server: The metadata of the authorization server.
        info: The `serverInfo`.
        tools: All tools; None if they were not listed.
    """

    is_protected: bool = False
    resource: dict[str, Any] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    tools: list[dict[str, Any]] | None = None

    def note_info(self, result: Any) -> None:
        """Keep the `serverInfo` of a result of `initialize` or `server/discover`."""
        if isinstance(result, dict):
            meta = result.get("_meta")
            stamp = meta.get("io.modelcontextprotocol/serverInfo") if isinstance(meta, dict) else None
            info = result.get("serverInfo") or stamp
            if isinstance(info, dict):
                self.info = {**self.info, **info}

    def note_tools(self, result: Any) -> str | None:
        """Keep a page of tools; returns the cursor of the next one."""
        if not isinstance(result, dict) or not isinstance(result.get("tools"), list):
            return None
        found = [tool for tool in result["tools"] if isinstance(tool, dict)]
        self.tools = [*(self.tools or []), *found]
        cursor = result.get("nextCursor")
        return cursor if isinstance(cursor, str) else None
