"""Resources that are listed for the requester alone: a user's notes, a session's files."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from mcp.server import ServerRequestContext
from mcp.types import Resource
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from mcp_app.sdk import CallNext, HandlerResult

RequestContext = ServerRequestContext[Any, Any]

Source = Callable[[RequestContext], Awaitable[list[tuple[str, Resource]]]]
"""What the current request may see besides what everybody sees: each with a key, and in their order."""

SCHEMES = ("note:", "session:")


async def own_resources(ctx: RequestContext, sources: Iterable[Source]) -> list[Resource]:
    """What all sources have for the current request."""
    return [resource for source in sources for _, resource in await source(ctx)]


async def never_fresh(ctx: RequestContext, call_next: CallNext) -> HandlerResult:
    """A middleware: what changes at any time is stale at once (2026-07-28, server/utilities/caching).

    The hints of the SDK are by method; these resources differ from the others that the method reads.
    """
    result = await call_next(ctx)
    if ctx.method != "resources/read" or ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return result
    uri = (ctx.params or {}).get("uri")
    if not isinstance(result, dict) or not isinstance(uri, str) or not uri.startswith(SCHEMES):
        return result
    return {**result, "ttlMs": 0}
