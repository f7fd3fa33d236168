"""Protocol features that the engine adds to any server of the SDK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp.server.extension import Extension
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from mcp_app.protocol import (
    completions,
    listen,
    older_revisions,
    pages,
    rounds,
    server_info,
    session_features,
    tracing,
)
from mcp_app.protocol.by_method import ByMethod
from mcp_app.protocol.capabilities import CompleteCapabilities
from mcp_app.protocol.error_codes import SpecifiedErrors
from mcp_app.protocol.personal import PersonalResources
from mcp_app.protocol.readable import Readable
from mcp_app.protocol.visibility import ToolVisibility
from mcp_app.sdk import SPEC_CLIENT_METHODS


def install(
    server: MCPServer[Any],
    *,
    by_method: ByMethod,
    access: ToolVisibility,
    extensions: Sequence[Extension] = (),
    providers: Sequence[PersonalResources] = (),
    page_size: int,
    resource_page_size: int,
    max_body_bytes: int,
) -> None:
    """Complete a server whose tools, prompts and resources are registered. Call it once.

    Args:
        server: The server.
        by_method: The middleware for some methods only, which is added to.
        access: Which tools a person sees.
        extensions: The extensions passed to its constructor.
        providers: Providers of per-person resources.
        page_size: Tools, prompts or templates per page.
        resource_page_size: Resources per page.
        max_body_bytes: The maximum size of a request body.
    """
    # Called for its side effect: the session manager, and through it the low-level server, by a public path.
    # The SDK's host and origin check is off because the transports do it, for all revisions and with our
    # settings.
    server.streamable_http_app(
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        max_request_body_size=max_body_bytes,
    )
    app = server.session_manager.app
    tracing.drop_unless_configured(app)

    readable = Readable(server, providers)
    readable.register(app)
    session_features.register(app, readable.exists)
    pages.register(server, app, access, providers, page_size=page_size, resource_page_size=resource_page_size)
    older_revisions.register(app)
    completions.register(server, app, providers)
    own_methods = [binding.method for extension in extensions for binding in extension.methods()]
    server_info.register(app, [*SPEC_CLIENT_METHODS, *own_methods])

    listing = app.get_request_handler("tools/list")
    assert listing is not None
    by_method.add(readable.listen, listen.METHOD)
    by_method.add(CompleteCapabilities(extensions), "initialize", "server/discover")
    server.middleware.extend((by_method, SpecifiedErrors(access.may_run, listing.handler)))
    rounds.register(server, max_body_bytes)
