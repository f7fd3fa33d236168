"""Tools whose features depend on the revision.

Since 2026-07-28 structured content need not be an object (SEP-2106). Up to 2025-11-25 an output schema
describes an object, and a client may reject the whole list of tools for one that does not. So for older
revisions such a tool has no output schema, and its result only the text, which it has anyway.

A tool that cannot work at a revision is not listed there. Calling it returns an error that says why.
"""

from typing import Any

from mcp.server import Server
from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams, Tool
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from mcp_app.protocol.context import RequestContext

SINCE = "everything-server/since"
"""The member of a tool's `_meta` with the first revision at which it works."""
UNTIL = "everything-server/until"
"""The member of a tool's `_meta` with the last revision at which it works."""


def register(app: Server[Any]) -> None:
    """Wrap the handlers of `tools/list` and `tools/call`, which must be registered."""
    listing, calling = app.get_request_handler("tools/list"), app.get_request_handler("tools/call")
    assert listing is not None
    assert calling is not None

    async def list_tools(ctx: RequestContext, params: PaginatedRequestParams) -> Any:
        result = await listing.handler(ctx, params)
        if not isinstance(result, ListToolsResult):
            return result
        tools = [tool for tool in result.tools if _is_of(tool, ctx.protocol_version)]
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            tools = [_older(tool) for tool in tools]
        return result.model_copy(update={"tools": tools})

    async def call_tool(ctx: RequestContext, params: CallToolRequestParams) -> Any:
        result = await calling.handler(ctx, params)
        if (
            isinstance(result, CallToolResult)
            and not isinstance(result.structured_content, dict | None)
            and ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS
        ):
            return result.model_copy(update={"structured_content": None})
        return result

    app.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
    app.add_request_handler("tools/call", CallToolRequestParams, call_tool)


def _is_of(tool: Tool, revision: str) -> bool:
    meta = tool.meta or {}
    return meta.get(SINCE, "") <= revision <= meta.get(UNTIL, revision)


def _older(tool: Tool) -> Tool:
    if tool.output_schema is None or tool.output_schema.get("type") == "object":
        return tool
    return tool.model_copy(update={"output_schema": None})
