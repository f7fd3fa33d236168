"""A middleware that reduces `serverInfo` in results to name and version.

2026-07-28, basic/index, "General fields": the `serverInfo` in the `_meta` of each result needs only these.
The SDK adds everything, including the icon, to each result; clients get the rest from `server/discover`.
"""

from typing import Any

from mcp.server import ServerRequestContext
from mcp_types import SERVER_INFO_META_KEY

from mcp_app.sdk import CallNext, HandlerResult


async def shorten_server_info(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Keep only name and version in `serverInfo`, except for `server/discover`."""
    result = await call_next(ctx)
    if isinstance(result, dict) and ctx.method != "server/discover":
        meta = result.get("_meta")
        info = meta.get(SERVER_INFO_META_KEY) if isinstance(meta, dict) else None
        if isinstance(meta, dict) and isinstance(info, dict):
            brief = {"name": info["name"], "version": info["version"]}
            return {**result, "_meta": {**meta, SERVER_INFO_META_KEY: brief}}
    return result
