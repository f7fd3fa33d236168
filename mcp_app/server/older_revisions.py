"""What the revisions before 2026-07-28 are spared: structured content that is not an object (SEP-2106).

Up to 2025-11-25 an output schema describes an object, and a client may refuse the whole list of tools for one
that does not. There such a tool has no output schema, and its result is the text, which it has anyway.
"""

from typing import Any

from mcp.server import Server, ServerRequestContext
from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams, Tool
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

Context = ServerRequestContext[Any, Any]


def register(app: Server[Any]) -> None:
    """Put this around the handlers of `tools/list` and `tools/call`, which must be there."""
    listing, calling = app.get_request_handler("tools/list"), app.get_request_handler("tools/call")
    assert listing is not None
    assert calling is not None

    async def list_tools(ctx: Context, params: PaginatedRequestParams) -> Any:
        result = await listing.handler(ctx, params)
        if isinstance(result, ListToolsResult) and ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return result.model_copy(update={"tools": [_older(tool) for tool in result.tools]})
        return result

    async def call_tool(ctx: Context, params: CallToolRequestParams) -> Any:
        result = await calling.handler(ctx, params)
        if (
            isinstance(result, CallToolResult)
            and not isinstance(result.structured_content, dict)
            and ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS
        ):
            return result.model_copy(update={"structured_content": None})
        return result

    app.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
    app.add_request_handler("tools/call", CallToolRequestParams, call_tool)


def _older(tool: Tool) -> Tool:
    if tool.output_schema is None or tool.output_schema.get("type") == "object":
        return tool
    return tool.model_copy(update={"output_schema": None})
