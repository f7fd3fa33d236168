"""Log messages that a tool sends while it runs.

The SDK's helpers warn that logging is deprecated since 2026-07-28 (SEP-2577); this uses the lower-level
parts, which do not.
"""

from typing import Any

from mcp.server.mcpserver import Context
from mcp.types import LoggingLevel, LoggingMessageNotification, LoggingMessageNotificationParams

from mcp_app.sdk import allowed_log_levels


async def log(ctx: Context[Any, Any], level: LoggingLevel, data: Any, *, logger: str) -> None:
    """Send a log message on the stream of this request.

    At 2026-07-28 only if the request's `_meta` asks for this level (server/utilities/logging); before that
    always: the session drops messages below its level.
    """
    request = ctx.request_context
    if level not in allowed_log_levels(request.protocol_version, request.meta):
        return
    await ctx.session.send_notification(
        LoggingMessageNotification(
            params=LoggingMessageNotificationParams(level=level, logger=logger, data=data)
        ),
        related_request_id=ctx.request_id,
    )
