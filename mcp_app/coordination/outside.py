"""Coordination for code that may run where no MCP is served: views, signal handlers, commands."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from channels.layers import get_channel_layer
from django.conf import settings
from redis.asyncio import Redis

from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import connect, reaching_redis
from mcp_app.coordination.directory import Directory
from mcp_app.exceptions import Unavailable

logger = logging.getLogger(__name__)


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Redis, Directory]]:
    """Redis, and the directory of the processes that serve, for one piece of work."""
    redis = connect(settings.REDIS_URL)
    try:
        yield redis, Directory(redis, Bus(get_channel_layer()))
    finally:
        await redis.aclose()


async def attempt(work: Callable[[], Awaitable[object]], failure: str) -> None:
    """Do something that is worth a warning when Redis cannot be reached, and no more.

    Args:
        work: What to do.
        failure: What the log says then.
    """
    try:
        with reaching_redis():
            await work()
    except Unavailable as error:
        logger.warning(failure, extra={"reason": str(error)})
