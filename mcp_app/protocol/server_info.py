"""Results of 2026-07-28 say which server they are from: its name and version only.

2026-07-28, basic/index, "General fields": the `serverInfo` in the `_meta` of each result needs only these.
The SDK adds everything to each result that has none, including the icon, in a deep copy; clients get the rest
from `server/discover`.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from mcp.server import Server
from mcp_types import SERVER_INFO_META_KEY, CacheableResult, Result
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_app.protocol.context import RequestContext

_UNCHANGED = frozenset({"server/discover", "subscriptions/listen"})
"""One tells everything about the server. The other must stay the SDK's handler, which a shutdown closes."""

Handler = Callable[[RequestContext, Any], Awaitable[Any]]


def register(app: Server[Any], methods: Iterable[str]) -> None:
    """Wrap the handlers of these methods, as far as there are any."""
    info = app.server_info_stamp
    brief = {"name": info["name"], "version": info["version"]}
    for method in methods:
        entry = app.get_request_handler(method)
        if entry is not None and method not in _UNCHANGED:
            app.add_request_handler(method, entry.params_type, _stamping(entry.handler, brief))


def _stamping(handler: Handler, info: dict[str, str]) -> Handler:
    def handle(ctx: RequestContext, params: Any) -> Awaitable[Any]:
        is_modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        return stamped(ctx, params) if is_modern else handler(ctx, params)

    async def stamped(ctx: RequestContext, params: Any) -> Any:
        result = await handler(ctx, params)
        if isinstance(result, Result) and not isinstance(result, CacheableResult):
            result = result.model_dump(by_alias=True, mode="json", exclude_none=True)  # as the SDK would next
        if isinstance(result, Result):  # the SDK adds cache hints, depending on what the handler has set
            return result.model_copy(update={"meta": {SERVER_INFO_META_KEY: info, **(result.meta or {})}})
        if isinstance(result, dict):
            return {**result, "_meta": {SERVER_INFO_META_KEY: info, **(result.get("_meta") or {})}}
        return result

    return handle
