"""Whether the client of a request supports tasks."""

from __future__ import annotations

from mcp.shared.exceptions import MCPError
from mcp_types import MISSING_REQUIRED_CLIENT_CAPABILITY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_app.protocol.context import RequestContext

IDENTIFIER = "io.modelcontextprotocol/tasks"


def is_declared(ctx: RequestContext) -> bool:
    """Whether the client declared the extension, at a revision that has it."""
    declared = ctx.session.client_capabilities
    extensions = declared.extensions if declared is not None else None
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and IDENTIFIER in (extensions or {})


def not_declared() -> MCPError:
    """The error for a request that needs the extension (SEP-2663, "Capability Negotiation")."""
    return MCPError(
        MISSING_REQUIRED_CLIENT_CAPABILITY,
        f"The client did not declare the extension {IDENTIFIER}",
        {"requiredCapabilities": {"extensions": {IDENTIFIER: {}}}},
    )
