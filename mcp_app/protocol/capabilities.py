"""A middleware that completes what the server says of itself: list changes, extensions and revisions.

The SDK derives them from the handlers that are registered, and always says `listChanged: false` for
the revisions with a handshake: the driver of one request takes no `NotificationOptions`. Here changes
of all three lists are announced (the bus carries them to every session), so the flags are set. At
2026-07-28 `server/discover` says so without help.

Nor do the SDK's wire types of those revisions have `extensions`, though their clients declare theirs and look
for the server's (SEP-2133). Those extensions are announced that can be used there.

`server/discover` names all revisions that are spoken here, as the error for an unsupported one does
(2026-07-28, Discovery; Versioning, Protocol Version Negotiation). The SDK names those without sessions alone.
"""

from collections.abc import Sequence
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.extension import Extension
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from mcp_app.sdk import CallNext, HandlerResult

LISTS = ("tools", "prompts", "resources")
SUPPORTED = list(reversed(KNOWN_PROTOCOL_VERSIONS))
"""All revisions, the newest first."""


class CompleteCapabilities:
    """Sets `listChanged` on each list that is served, and `extensions`.

    Args:
        extensions: The extensions of the server.
    """

    def __init__(self, extensions: Sequence[Extension]) -> None:
        self._extensions = extensions

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        if ctx.method == "server/discover" and isinstance(result, dict):
            return {**result, "supportedVersions": SUPPORTED}
        if ctx.method != "initialize" or not isinstance(result, dict):
            return result
        capabilities = dict(result.get("capabilities", {}))
        for name in LISTS:
            if name in capabilities:
                capabilities[name] = {**capabilities[name], "listChanged": True}
        capabilities["extensions"] = {
            extension.identifier: extension.settings()
            for extension in self._extensions
            if _is_usable(extension, result["protocolVersion"])
        }
        return {**result, "capabilities": capabilities}


def _is_usable(extension: Extension, revision: str) -> bool:
    """Whether an extension has all of its methods at a revision."""
    bound_to = (method.protocol_versions for method in extension.methods())
    return all(versions is None or revision in versions for versions in bound_to)
