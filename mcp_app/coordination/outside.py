"""Coordination for code outside of the MCP server: views, signal handlers, management commands."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from redis.asyncio import Redis

from mcp_app.conf import conf
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import connect, reaching_redis
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.layer import channel_layer
from mcp_app.exceptions import Unavailable

logger = logging.getLogger(__name__)


@asynccontextmanager
async def connected(*, is_confirmed: bool = False) -> AsyncIterator[tuple[Redis, Directory]]:
    """A temporary connection: Redis, and the directory of the serving processes.

    Args:
        is_confirmed: Whether to open the bus, for messages that are sent with `confirm`.

    Raises:
        Unavailable: The channel layer cannot be reached.
    """
    redis = connect(conf.redis_url)
    bus = Bus(channel_layer())
    try:
        if is_confirmed:
            await bus.start()
        yield redis, Directory(redis, bus)
    finally:
        await bus.stop()
        await redis.aclose()


@contextmanager
def only_logged(failure: str) -> Iterator[None]:
    """Log `failure`, in which `%s` is the place of Redis, if that cannot be reached, instead of raising."""
    try:
        with reaching_redis:
            yield
    except Unavailable as error:
        logger.warning(failure, conf.redis_place, extra={"reason": str(error)})
