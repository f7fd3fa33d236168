"""Lists in pages, with opaque cursors, for every list method.

Specification 2025-11-25 and 2026-07-28, server/utilities/pagination: the server sets the page size,
clients do not look into a cursor, and an invalid cursor is answered with -32602.
`MCPServer` has no pages of its own, so the four list handlers are registered here anew.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from mcp.server import Server, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
)

from .dynamic import Source
from .resources import list_templates

# Resources are the list that shows pages. The others fit one page, for clients that read no second one.
RESOURCES_PER_PAGE = 10
OTHERS_PER_PAGE = 200

Item = TypeVar("Item")
Context = ServerRequestContext[Any, Any]


def page(items: Sequence[Item], cursor: str | None, size: int, name: str) -> tuple[list[Item], str | None]:
    """The page of `items` that starts at `cursor`, and the cursor of the next one.

    A list may have become shorter since the cursor was given: its last page is then empty.
    """
    start = 0 if cursor is None else _decode(cursor, name)
    end = start + size
    return list(items[start:end]), _encode(end, name) if end < len(items) else None


def register(
    server: MCPServer, app: Server[Any], sources: Sequence[Source] = (), *, is_live: bool = False
) -> None:
    """Serve `tools/list`, `prompts/list`, `resources/list` and `resources/templates/list` in pages.

    `sources` add resources of the requester's own to the list. They come last, so that their coming and
    going shifts no page that was read before them. A list that is live is not to be cached.
    """

    async def tools(ctx: Context, params: PaginatedRequestParams) -> ListToolsResult:
        items, cursor = page(await server.list_tools(), params.cursor, OTHERS_PER_PAGE, "tools")
        return ListToolsResult(tools=items, next_cursor=cursor)

    async def prompts(ctx: Context, params: PaginatedRequestParams) -> ListPromptsResult:
        items, cursor = page(await server.list_prompts(), params.cursor, OTHERS_PER_PAGE, "prompts")
        return ListPromptsResult(prompts=items, next_cursor=cursor)

    async def resources(ctx: Context, params: PaginatedRequestParams) -> ListResourcesResult:
        found = list(await server.list_resources())
        for source in sources:
            found += await source(ctx)
        items, cursor = page(found, params.cursor, RESOURCES_PER_PAGE, "resources")
        freshness = {"ttl_ms": 0} if is_live else {}  # what is not set here is set by the cache hints
        return ListResourcesResult(resources=items, next_cursor=cursor, **freshness)

    async def templates(ctx: Context, params: PaginatedRequestParams) -> ListResourceTemplatesResult:
        items, cursor = page(await list_templates(server), params.cursor, OTHERS_PER_PAGE, "templates")
        return ListResourceTemplatesResult(resource_templates=items, next_cursor=cursor)

    handlers: dict[str, Callable[[Context, PaginatedRequestParams], Awaitable[Any]]] = {
        "tools/list": tools,
        "prompts/list": prompts,
        "resources/list": resources,
        "resources/templates/list": templates,
    }
    for method, handler in handlers.items():
        app.add_request_handler(method, PaginatedRequestParams, handler)


def _encode(start: int, name: str) -> str:
    """A cursor names its list, so that one taken from another list is recognized as wrong."""
    return base64.urlsafe_b64encode(f"{name}:{start}".encode()).decode()


def _decode(cursor: str, name: str) -> int:
    try:
        found, _, start = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise _invalid() from None
    # Only what `_encode` writes: ASCII digits, no sign, no leading zero, never the first page.
    if found != name or not (start.isascii() and start.isdigit()) or start.startswith("0") or len(start) > 9:
        raise _invalid()
    return int(start)


def _invalid() -> MCPError:
    return MCPError(INVALID_PARAMS, "Invalid cursor")
