"""Tools that exist for some people only, as far as the handlers of the protocol need to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mcp.types import Tool


class ToolVisibility(Protocol):
    """Which tools exist for the person of the current request. `mcp_app.access` implements it."""

    def differs(self, tools: Sequence[Tool]) -> bool:
        """Whether some people do not see all of these tools."""

    async def visible(self, tools: Sequence[Tool]) -> Sequence[Tool]:
        """The tools among these that exist for the person."""

    async def may_run(self, name: str) -> bool:
        """Whether a tool that is called exists for the person. Unknown and hidden ones take the same path.

        It may raise the reason why a tool that exists cannot run.
        """
