"""Pagination with opaque cursors, for every list method.

Specification 2025-11-25 and 2026-07-28, server/utilities/pagination: the server sets the page size,
cursors are opaque to clients, and an invalid cursor is an error (-32602).
`MCPServer` has no pagination, so the four list handlers are replaced here.

A cursor contains the last item of its page, so changes before it do not shift the next page. Where that item
itself may be deleted, the list is sorted by key, and the next page starts with the first greater key.
"""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

from mcp.server import Server
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

from mcp_app.protocol.context import RequestContext
from mcp_app.protocol.personal import PersonalResources, requesting_person
from mcp_app.protocol.visibility import ToolVisibility

Item = TypeVar("Item")
MAX_CURSOR_LENGTH = 65_536
"""The maximum length of a cursor, in characters: many times that of any URI."""

Section = Callable[[str | None, int], Awaitable[Sequence[tuple[str, Item]]]]
"""Returns a limited number of items of a section, with their keys, after a given key or from the beginning.
Raises ValueError for what cannot be a key."""

Key = tuple[int, str]
"""Identifies an item in a cursor: its section of the list, and its key. Section 0 is fixed, in any order; the
other sections may change, and are sorted by key."""


def page(
    items: Sequence[Item], cursor: str | None, size: int, name: str, key: Callable[[Item], str]
) -> tuple[list[Item], str | None]:
    """The page of a fixed list after `cursor`, and the cursor of the next page.

    Args:
        items: The list.
        cursor: The cursor of the previous page; None for the first page.
        size: Items per page.
        name: The name of the list: cursors of another one are rejected.
        key: Returns the unique key of an item.

    Raises:
        MCPError: The cursor is invalid for this list.
    """
    start = None if cursor is None else _decode(cursor, name, 0)
    found = _after([((0, key(item)), item) for item in items], start)
    return _cut(found, size, name)


async def page_of_sections(
    fixed: Sequence[tuple[str, Item]],
    sections: Sequence[Section[Item]],
    cursor: str | None,
    size: int,
    name: str,
) -> tuple[list[Item], str | None]:
    """The page of a list whose fixed items are followed by sections that may change; see `page`.

    Sections are asked only for what the page has room for, and for one item more, which tells whether there
    is another page.

    Args:
        fixed: The fixed items, with their keys.
        sections: How to read each section.
    """
    start = None if cursor is None else _decode(cursor, name, len(sections))
    first, after = start or (0, None)
    found = _after([((0, key), item) for key, item in fixed], start) if first == 0 else []
    for number, section in enumerate(sections, start=1):
        room = size + 1 - len(found)
        if number < first or room <= 0:
            continue
        try:
            items = await section(after if number == first else None, room)
        except ValueError as error:
            raise _invalid() from error
        found += [((number, key), item) for key, item in items]
    return _cut(found, size, name)


def _after(entries: list[tuple[Key, Item]], last: Key | None) -> list[tuple[Key, Item]]:
    """The fixed items after the last one of the previous page."""
    if last is None:
        return entries
    keys = [key for key, _ in entries]
    if last not in keys:
        raise _invalid()
    return entries[keys.index(last) + 1 :]


def _cut(found: Sequence[tuple[Key, Item]], size: int, name: str) -> tuple[list[Item], str | None]:
    items = [item for _, item in found[:size]]
    return items, _encode(found[size - 1][0], name) if len(found) > size else None


def register(
    server: MCPServer[Any],
    app: Server[Any],
    access: ToolVisibility,
    providers: Sequence[PersonalResources] = (),
    *,
    page_size: int,
    resource_page_size: int,
) -> None:
    """Serve `tools/list`, `prompts/list`, `resources/list` and `resources/templates/list` in pages.

    Args:
        access: Which tools a person sees. A list that differs between people must not be shared by a cache.
        providers: Their resources follow the shared ones. Lists with them must not be cached.
        page_size: Tools, prompts or templates per page.
        resource_page_size: Resources per page.
    """

    async def tools(ctx: RequestContext, params: PaginatedRequestParams) -> ListToolsResult:
        found = await server.list_tools()
        # Before the page is cut: a cursor that names a hidden tool is as invalid as any other.
        own = await access.visible(found)
        items, cursor = page(own, params.cursor, page_size, "tools", attrgetter("name"))
        scope: dict[str, Any] = {"cache_scope": "private"} if access.differs(found) else {}
        return ListToolsResult(tools=items, next_cursor=cursor, **scope)

    async def prompts(ctx: RequestContext, params: PaginatedRequestParams) -> ListPromptsResult:
        found = await server.list_prompts()
        items, cursor = page(found, params.cursor, page_size, "prompts", attrgetter("name"))
        return ListPromptsResult(prompts=items, next_cursor=cursor)

    async def resources(ctx: RequestContext, params: PaginatedRequestParams) -> ListResourcesResult:
        fixed = [(resource.uri, resource) for resource in await server.list_resources()]
        sections = [partial(provider.page, requesting_person(ctx)) for provider in providers]
        items, cursor = await page_of_sections(
            fixed, sections, params.cursor, resource_page_size, "resources"
        )
        freshness = {"ttl_ms": 0} if providers else {}  # otherwise the cache hints apply
        return ListResourcesResult(resources=items, next_cursor=cursor, **freshness)

    async def templates(ctx: RequestContext, params: PaginatedRequestParams) -> ListResourceTemplatesResult:
        found = await server.list_resource_templates() + [provider.template for provider in providers]
        items, cursor = page(found, params.cursor, page_size, "templates", attrgetter("uri_template"))
        return ListResourceTemplatesResult(resource_templates=items, next_cursor=cursor)

    handlers: dict[str, Callable[[RequestContext, PaginatedRequestParams], Awaitable[Any]]] = {
        "tools/list": tools,
        "prompts/list": prompts,
        "resources/list": resources,
        "resources/templates/list": templates,
    }
    for method, handler in handlers.items():
        app.add_request_handler(method, PaginatedRequestParams, handler)


def _encode(last: Key, name: str) -> str:
    """A cursor contains the name of its list, so that cursors of another list are rejected."""
    return base64.urlsafe_b64encode(json.dumps([name, *last]).encode()).decode()


def _decode(cursor: str, name: str, sections: int) -> Key:
    if len(cursor) > MAX_CURSOR_LENGTH:  # before anything is decoded
        raise _invalid()
    try:
        match json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True)):
            case [found, int(section), str(key)] if found == name and 0 <= section <= sections:
                return section, key
    except (binascii.Error, ValueError, RecursionError):
        pass
    raise _invalid()


def _invalid() -> MCPError:
    return MCPError(INVALID_PARAMS, "Invalid cursor; start again without one.")
