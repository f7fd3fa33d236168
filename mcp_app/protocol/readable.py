"""Reading resources, and checking that those subscribed to or listened for exist.

Specification up to 2025-11-25, server/resources, "Error Handling": a missing resource is -32002, here for
`resources/subscribe` as for `resources/read`. 2026-07-28, basic/patterns/subscriptions, "Acknowledgment":
the server acknowledges the subset of the request that it honors. The SDK honors every URI; here missing
resources are left out.
"""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mcp.server import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    BlobResourceContents,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextResourceContents,
)

from mcp_app.protocol.context import RequestContext
from mcp_app.protocol.listen import URIS, requested_notifications, strings
from mcp_app.protocol.personal import PersonalResources, provider_of, requesting_person
from mcp_app.sdk import CallNext, HandlerResult


class Readable:
    """The resources that the current person can read: the server's, and those of providers."""

    def __init__(self, server: MCPServer[Any], providers: Sequence[PersonalResources]) -> None:
        self._server = server
        self._providers = providers

    async def exists(self, ctx: RequestContext, uri: str) -> bool:
        """Whether a resource exists and can be read."""
        provider = provider_of(uri, self._providers)
        if provider is not None:
            return await provider.read(requesting_person(ctx), uri) is not None
        try:
            await self._server.read_resource(uri, Context(request_context=ctx, mcp_server=self._server))
        except ResourceNotFoundError:
            return False
        return True

    def register(self, app: Server[Any]) -> None:
        """Read resources of providers; everything else goes to the existing handler."""
        entry = app.get_request_handler("resources/read")
        assert entry is not None
        others = entry.handler

        async def read(ctx: RequestContext, params: ReadResourceRequestParams) -> HandlerResult:
            uri = params.uri
            provider = provider_of(uri, self._providers)
            if provider is None:
                return await others(ctx, params)
            found = await provider.read(requesting_person(ctx), uri)
            if found is None:
                raise MCPError(INVALID_PARAMS, f"Unknown resource: {uri}", {"uri": uri})
            # It may change at any time, so it must not be cached (2026-07-28, server/utilities/caching).
            return ReadResourceResult(contents=[_contents(provider, uri, found)], ttl_ms=0)

        app.add_request_handler("resources/read", ReadResourceRequestParams, read)

    async def listen(self, ctx: RequestContext, call_next: CallNext) -> HandlerResult:
        """A middleware for `subscriptions/listen` that drops URIs of missing resources."""
        notifications = requested_notifications(ctx)
        uris = strings(notifications, URIS)
        if uris is None:
            return await call_next(ctx)
        notifications = {**notifications, URIS: await self._existing(ctx, uris)}
        return await call_next(replace(ctx, params={**(ctx.params or {}), "notifications": notifications}))

    async def _existing(self, ctx: RequestContext, uris: list[str]) -> list[str]:
        # A request may have a thousand URIs: each provider looks for all of its own at once, and others run
        # in between, as looking for one need not wait for anything.
        own: dict[PersonalResources, list[str]] = {}
        found: set[str] = set()
        for uri in uris:
            await asyncio.sleep(0)
            provider = provider_of(uri, self._providers)
            if provider is not None:
                own.setdefault(provider, []).append(uri)
            elif await self.exists(ctx, uri):
                found.add(uri)
        for provider, asked in own.items():
            found.update(await provider.existing(requesting_person(ctx), asked))
        return [uri for uri in uris if uri in found]


def _contents(
    provider: PersonalResources, uri: str, found: str | bytes
) -> TextResourceContents | BlobResourceContents:
    mime_type = provider.template.mime_type
    if isinstance(found, str):
        return TextResourceContents(uri=uri, mime_type=mime_type or "text/plain", text=found)
    blob = base64.b64encode(found).decode()
    return BlobResourceContents(uri=uri, mime_type=mime_type or "application/octet-stream", blob=blob)
