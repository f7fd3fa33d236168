"""The SDK's server, with schemas and argument errors that people can read.

The SDK derives a tool's schema from its function and titles it after that (`addArguments`), and reports bad
arguments in Pydantic's text, which repeats them and links to Pydantic's documentation.
"""

from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.types import CallToolResult, InputRequiredResult, Tool
from pydantic import ValidationError

from .validation_messages import explain


class ToolServer(MCPServer[Any]):
    """An `MCPServer` that differs in how it lists tools, and in what it says of bad arguments."""

    async def list_tools(self) -> list[Tool]:
        """The tools; the title of a tool is that of its input, too, and is not repeated there."""
        return [
            tool.model_copy(update={"input_schema": _without_title(tool.input_schema)})
            for tool in await super().list_tools()
        ]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; arguments that it does not take are named, with the rule that each breaks.

        Raises:
            ToolError: See `MCPServer.call_tool`.
        """
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            is_a_crash = isinstance(error, UnexpectedToolError)
            if isinstance(error.__cause__, ValidationError) and not is_a_crash:
                reasons = explain(error.__cause__, arguments)
                raise ToolError(f"Invalid arguments for {name}: {reasons}") from error.__cause__
            raise


def _without_title(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}
