"""The SDK's server, with more readable schemas and argument errors.

The SDK adds a title derived from the function to a tool's schema (`addArguments`), and reports invalid
arguments in Pydantic's text, which repeats them and links to Pydantic's documentation. It reports every crash
of a tool or a resource to the client as such, even if a store was unavailable.
"""

from collections.abc import Callable, Iterable
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedResourceError, UnexpectedToolError
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolResult,
    GetPromptResult,
    InputRequiredResult,
    Tool,
)
from pydantic import AnyUrl, ValidationError

from mcp_app.exceptions import Unavailable
from mcp_app.protocol.json_cost import has_many_times_more_values
from mcp_app.protocol.validation_messages import explain
from mcp_app.sdk import ReadResourceContents


class InterruptedTool(MCPError):
    """A tool failed because a store was unavailable.

    The SDK makes results of all exceptions but `MCPError`.
    """

    def __init__(self, outage: Unavailable) -> None:
        super().__init__(INTERNAL_ERROR, outage.store.value)
        self.outage = outage


class ToolServer(MCPServer[Any]):
    """An `MCPServer` with tool schemas without titles, and readable errors for invalid arguments.

    Attributes:
        find_outage: Returns the outage of a store that caused an exception, if one did. Calls of tools and
            resources that end with such an exception are answered with 503.
        most_values: The maximum number of JSON values in a string that the SDK parses; None if there is none.
    """

    find_outage: Callable[[BaseException], Unavailable | None] = staticmethod(lambda error: None)
    most_values: int | None = None

    async def list_tools(self) -> list[Tool]:
        """The tools, without titles in their input schemas."""
        return [
            tool.model_copy(update={"input_schema": _without_title(tool.input_schema)})
            for tool in await super().list_tools()
        ]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; the error for invalid arguments names each with the violated rule.

        Raises:
            InterruptedTool: A store was unavailable.
            ToolError: See `MCPServer.call_tool`.
        """
        if (limit := self.most_values) is not None:
            long = {
                key: text for key, text in arguments.items() if isinstance(text, str) and len(text) > limit
            }
            if long:
                await self._check_json_in_strings(name, long, limit)
        try:
            return await super().call_tool(name, arguments, context)
        except UnexpectedToolError as error:
            if (outage := self.find_outage(error)) is not None:
                raise InterruptedTool(outage) from error
            raise
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                reasons = explain(error.__cause__, arguments)
                raise ToolError(f"Invalid arguments for {name}: {reasons}") from error.__cause__
            raise

    async def _check_json_in_strings(self, name: str, long: dict[str, str], limit: int) -> None:
        """Reject JSON of far too many values in a string: the SDK parses it if the parameter is no string."""
        schemas = [tool.input_schema for tool in await super().list_tools() if tool.name == name]
        for schema in schemas:
            for key, text in long.items():
                parameter = schema.get("properties", {}).get(key, {})
                takes_text = parameter.get("type") == "string" and "enum" not in parameter
                if not takes_text and has_many_times_more_values(text.encode(), limit):
                    raise ToolError(f"Invalid arguments for {name}: `{key}` has more than {limit} values")

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource.

        Raises:
            Unavailable: A store was.
            ResourceError: See `MCPServer.read_resource`.
        """
        try:
            return await super().read_resource(uri, context)
        except UnexpectedResourceError as error:
            if (outage := self.find_outage(error)) is not None:
                raise outage from error
            raise

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Any, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """Get a prompt; the error for missing arguments names each.

        Raises:
            MCPError: -32602, for missing arguments.
            ValueError: See `MCPServer.get_prompt`.
        """
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as error:
            if reasons := await self._missing(name, arguments or {}):
                raise MCPError(INVALID_PARAMS, f"Invalid prompt arguments: {reasons}") from error
            raise

    async def _missing(self, prompt_name: str, given: dict[str, Any]) -> str:
        return "; ".join(
            f"`{argument.name}` is required"
            for prompt in await self.list_prompts()
            for argument in prompt.arguments or ()
            if prompt.name == prompt_name and argument.required and argument.name not in given
        )


def _without_title(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}
