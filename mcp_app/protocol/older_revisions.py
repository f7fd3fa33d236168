"""What depends on the revision: which tools there are, structured content, and types of content.

A tool that cannot work at a revision is not listed there. Calling it returns an error that says why.

Since 2026-07-28 structured content need not be an object (SEP-2106). Up to 2025-11-25 an output schema
describes an object, and a client may reject the whole list of tools for one that does not. So for older
revisions such a tool has no output schema, and its result only the text, which it has anyway.

Audio exists since 2025-03-26, links to resources since 2025-06-18. A client of an older revision may reject a
result that has them. It gets audio as an embedded resource, and a link as text.
"""

import uuid
from typing import Any

from mcp.server import Server
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    GetPromptRequestParams,
    GetPromptResult,
    ListToolsResult,
    PaginatedRequestParams,
    ResourceLink,
    TextContent,
    Tool,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from mcp_app.protocol.context import RequestContext

SINCE = "everything-server/since"
"""The member of a tool's `_meta` with the first revision at which it works."""
UNTIL = "everything-server/until"
"""The member of a tool's `_meta` with the last revision at which it works."""

AUDIO = "2025-03-26"
"""The revision that introduced audio, in results and in questions to the model."""
_LINKS = "2025-06-18"
"""The revision that introduced links to resources in content; from it on, content is sent as it is."""


def register(app: Server[Any]) -> None:
    """Wrap the handlers of `tools/list`, `tools/call` and `prompts/get`, which must be registered."""
    listing, calling = app.get_request_handler("tools/list"), app.get_request_handler("tools/call")
    getting = app.get_request_handler("prompts/get")
    assert listing is not None
    assert calling is not None
    assert getting is not None

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
        revision = ctx.protocol_version
        if revision in MODERN_PROTOCOL_VERSIONS or not isinstance(result, CallToolResult):
            return result
        changes: dict[str, Any] = {}
        if not isinstance(result.structured_content, dict | None):
            changes["structured_content"] = None
        if revision < _LINKS:
            changes["content"] = [content_at(revision, block) for block in result.content]
        return result.model_copy(update=changes) if changes else result

    async def get_prompt(ctx: RequestContext, params: GetPromptRequestParams) -> Any:
        result = await getting.handler(ctx, params)
        revision = ctx.protocol_version
        if revision >= _LINKS or not isinstance(result, GetPromptResult):
            return result
        messages = [
            message.model_copy(update={"content": content_at(revision, message.content)})
            for message in result.messages
        ]
        return result.model_copy(update={"messages": messages})

    app.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
    app.add_request_handler("tools/call", CallToolRequestParams, call_tool)
    app.add_request_handler("prompts/get", GetPromptRequestParams, get_prompt)


def content_at(revision: str, block: ContentBlock) -> ContentBlock:
    """A block of content as a client of `revision` can read it: the same, unless the revision lacks its type.

    A link becomes text with its title or name, URI and description. Audio becomes an embedded resource. As
    it has no URI, that is the UUID of its data URL (RFC 9562, section 5.5), the same each time.
    """
    match block:
        case ResourceLink() if revision < _LINKS:
            text = f"{block.title or block.name}: {block.uri}"
            if block.description:
                text += f"\n{block.description}"
            return TextContent(type="text", text=text, annotations=block.annotations, _meta=block.meta)
        case AudioContent() if revision < AUDIO:
            uri = uuid.uuid5(uuid.NAMESPACE_URL, f"data:{block.mime_type};base64,{block.data}").urn
            contents = BlobResourceContents(uri=uri, mime_type=block.mime_type, blob=block.data)
            return EmbeddedResource(
                type="resource", resource=contents, annotations=block.annotations, _meta=block.meta
            )
        case _:
            return block


def _is_of(tool: Tool, revision: str) -> bool:
    meta = tool.meta or {}
    return meta.get(SINCE, "") <= revision <= meta.get(UNTIL, revision)


def _older(tool: Tool) -> Tool:
    if tool.output_schema is None or tool.output_schema.get("type") == "object":
        return tool
    return tool.model_copy(update={"output_schema": None})
