"""A middleware that completes the announced capabilities: list changes, extensions and revisions.

For the revisions with a handshake the SDK always announces `listChanged: false`, as `ServerRunner` takes no
`NotificationOptions`. Here changes of all three lists are sent (the bus carries them to every session), so
the flags are set. At 2026-07-28 `server/discover` is already correct.

The SDK's types for those revisions also lack `extensions`, though their clients declare theirs and look for
the server's (SEP-2133). The extensions that are usable at the revision are added.

`server/discover` lists all supported revisions, like the error for an unsupported one (2026-07-28, Discovery;
Versioning, Protocol Version Negotiation). The SDK lists only those without sessions.
"""

from collections.abc import Sequence

from mcp.server.extension import Extension
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from mcp_app.protocol.context import RequestContext
from mcp_app.sdk import CallNext, HandlerResult

LISTS = ("tools", "prompts", "resources")
SUPPORTED = list(reversed(KNOWN_PROTOCOL_VERSIONS))
"""All revisions, newest first."""


class CompleteCapabilities:
    """Sets `listChanged` on each list that is served, and `extensions`."""

    def __init__(self, extensions: Sequence[Extension]) -> None:
        self._extensions = extensions

    async def __call__(self, ctx: RequestContext, call_next: CallNext) -> HandlerResult:
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
    """Whether all methods of an extension exist at a revision."""
    bound_to = (method.protocol_versions for method in extension.methods())
    return all(versions is None or revision in versions for versions in bound_to)
