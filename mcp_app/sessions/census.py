"""The census: how many streams each process has open, told to Redis for operators.

It is taken every few seconds, beside the requests and not by them. What a process told of itself expires
soon after the process has died.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from redis.asyncio import Redis

from mcp_app.conf import conf
from mcp_app.coordination.bus import Bus
from mcp_app.exceptions import Unavailable
from mcp_app.sessions import keys
from mcp_app.sessions.streams import Streams

logger = logging.getLogger(__name__)


class Census:
    """The part that this process has in the census."""

    def __init__(self, redis: Redis, bus: Bus, streams: Streams) -> None:
        self._redis = redis
        self._bus = bus
        self._streams = streams
        self._told: dict[str, int] = {}

    async def run(self) -> None:
        """Tell again and again, until cancelled."""
        while True:
            await asyncio.sleep(conf.lease_seconds / 3)
            try:
                await self.tell()
            except Unavailable:
                logger.warning("the streams could not be counted: Redis cannot be reached")
            except Exception:
                logger.exception("the streams could not be counted")

    async def tell(self) -> None:
        """Put on record what this process has open now."""
        key, seconds = keys.open_streams(self._bus.address), max(1, round(conf.lease_seconds))
        counts = self._streams.counts()
        if counts == self._told and (not counts or await self._redis.expire(key, seconds)):
            return
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            if counts:
                pipe.hset(key, mapping=cast(Any, counts))
                pipe.expire(key, seconds)
            await pipe.execute()
        self._told = counts
