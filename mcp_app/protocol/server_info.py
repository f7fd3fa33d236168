"""A middleware that keeps results small: each names this server by name and version alone.

2026-07-28, basic/index, "General fields": `serverInfo` in the `_meta` of each result needs name and version.
The SDK repeats all that it knows, the icon as well, with each result. A client gets that once, from
`server/discover`.
"""

from typing import Any

from mcp.server import ServerRequestContext
from mcp_types import SERVER_INFO_META_KEY

from mcp_app.sdk import CallNext, HandlerResult


async def shorten_server_info(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Leave name and version in a result's `serverInfo`; `server/discover` keeps the whole."""
    result = await call_next(ctx)
    if isinstance(result, dict) and ctx.method != "server/discover":
        meta = result.get("_meta")
        info = meta.get(SERVER_INFO_META_KEY) if isinstance(meta, dict) else None
        if isinstance(meta, dict) and isinstance(info, dict):
            brief = {"name": info["name"], "version": info["version"]}
            return {**result, "_meta": {**meta, SERVER_INFO_META_KEY: brief}}
    return result
