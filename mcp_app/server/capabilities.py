"""A middleware that completes the capabilities in the answer to `initialize`.

The SDK derives them from the handlers that are registered, and always says `listChanged: false` for
the revisions with a handshake: the driver of one request takes no `NotificationOptions`. Here changes
of all three lists are announced (the bus carries them to every session), so the flags are set. At
2026-07-28 `server/discover` says so without help.
"""

from typing import Any

from mcp.server import ServerRequestContext

from mcp_app.sdk import CallNext, HandlerResult

LISTS = ("tools", "prompts", "resources")


async def announce_list_changes(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Set `listChanged` on each list that is served."""
    result = await call_next(ctx)
    if ctx.method != "initialize" or not isinstance(result, dict):
        return result
    capabilities = dict(result.get("capabilities", {}))
    for name in LISTS:
        if name in capabilities:
            capabilities[name] = {**capabilities[name], "listChanged": True}
    return {**result, "capabilities": capabilities}
