"""The log messages of this server."""

from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.types import LoggingLevel, LoggingMessageNotification, LoggingMessageNotificationParams

from mcp_app import server

LOGGER = "everything-server"


async def log(ctx: Context, level: LoggingLevel, data: Any, *, logger: str = LOGGER) -> None:
    """Send a log message on the stream of this request: see `mcp_app.server.log`."""
    await server.log(ctx, level, data, logger=logger)


async def announce_level(ctx: ServerRequestContext[Any, Any], call_next: Any) -> Any:
    """A middleware that sends a log message about a new log level, as the reference server does."""
    result = await call_next(ctx)
    params = LoggingMessageNotificationParams(
        level="debug", logger=LOGGER, data=f"Logging level set to: {(ctx.params or {})['level']}"
    )
    await ctx.session.send_notification(LoggingMessageNotification(params=params))
    return result
