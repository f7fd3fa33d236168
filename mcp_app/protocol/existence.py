"""Which resources there are to follow: none is subscribed to, or listened for, that cannot be read.

Specification up to 2025-11-25, server/resources, "Error Handling": a missing resource is -32002, here for
`resources/subscribe` as for `resources/read`. 2026-07-28, basic/patterns/subscriptions, "Acknowledgment":
what is acknowledged is the subset of the request that the server honors. The SDK honors every URI; here what
does not exist is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from mcp_app.protocol.listen import URIS
from mcp_app.resources import SCHEMES, RequestContext, Source, own_resources
from mcp_app.sdk import CallNext, HandlerResult


class Existence:
    """What the current requester can read."""

    def __init__(self, server: MCPServer, sources: Sequence[Source]) -> None:
        self._server = server
        self._sources = sources

    async def exists(self, ctx: RequestContext, uri: str) -> bool:
        """Whether a resource of this URI can be read."""
        try:
            await self._server.read_resource(uri, Context(request_context=ctx, mcp_server=self._server))
        except ResourceNotFoundError:
            return False
        return True

    async def listen(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """A middleware for `subscriptions/listen`: what does not exist is not listened for."""
        wanted = (ctx.params or {}).get("notifications")
        if (
            ctx.method != "subscriptions/listen"
            or ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS
            or not isinstance(wanted, Mapping)
            or not isinstance(uris := wanted.get(URIS), list)
            or not all(isinstance(uri, str) for uri in uris)
        ):
            return await call_next(ctx)
        notifications = {**wanted, URIS: await self._existing(ctx, uris)}
        return await call_next(replace(ctx, params={**(ctx.params or {}), "notifications": notifications}))

    async def _existing(self, ctx: RequestContext, uris: list[str]) -> list[str]:
        # The requester's own are looked up all at once: a request may name a thousand.
        own: set[str] = set()
        if any(uri.startswith(SCHEMES) for uri in uris):
            own = {resource.uri for resource in await own_resources(ctx, self._sources)}
        return [
            uri for uri in uris if (uri in own if uri.startswith(SCHEMES) else await self.exists(ctx, uri))
        ]
