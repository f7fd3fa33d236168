"""Which processes serve, and how many streams each has open, as they tell with every heartbeat."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from redis.asyncio import Redis

from mcp_app.conf import conf
from mcp_app.coordination import keys
from mcp_app.coordination.bus import Bus
from mcp_app.exceptions import Unavailable

logger = logging.getLogger(__name__)


class ProcessRegistry:
    """The processes that are believed alive, in Redis. `beat` belongs into the process's heartbeat."""

    def __init__(self, redis: Redis, bus: Bus) -> None:
        self._redis = redis
        self._bus = bus

    async def addresses(self) -> list[str]:
        """Where the processes are reached that are believed alive, this one included."""
        return cast("list[str]", await self._redis.zrangebyscore(keys.PROCESSES, time.time(), "+inf"))

    async def register(self) -> None:
        """Put this process on the list, or keep it there."""
        now = time.time()
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(keys.PROCESSES, {self._bus.address: now + conf.lease_seconds})
            pipe.zremrangebyscore(keys.PROCESSES, "-inf", now)
            pipe.expire(keys.PROCESSES, max(1, round(conf.lease_seconds)))
            await pipe.execute()

    async def leave(self) -> None:
        """Take this process off the list: nobody waits for it any more."""
        try:
            await self._redis.zrem(keys.PROCESSES, self._bus.address)
        except Unavailable:
            return  # its lease expires

    async def beat(self) -> None:
        """Stay on the list, and within hearing.

        Raises:
            Unavailable: Redis or the channel layer cannot be reached.
        """
        await self._bus.check()
        await self.register()
        await self._follow()

    async def _follow(self) -> None:
        """Move the bus to the server that has the keys, if it is subscribed at another one.

        After a failover the layer's connections may have stayed at the old primary. There they hear what the
        new one publishes, but what they publish reaches nobody.
        """
        [(_, subscribers)] = await self._redis.pubsub_numsub(self._bus.address)
        if not subscribers:
            logger.warning("channel layer connected to the wrong Redis server; reconnecting")
            await self._bus.reopen()
            await self.register()


class OpenStreams:
    """How many streams this process has open, for operators. `beat` belongs into the process's heartbeat.

    Args:
        redis: A client that decodes responses.
        bus: Of this process.
        count: How many there are now, by session.
    """

    def __init__(self, redis: Redis, bus: Bus, count: Callable[[], Mapping[str, int]]) -> None:
        self._redis = redis
        self._bus = bus
        self._count = count
        self._written: Mapping[str, int] = {}

    async def beat(self) -> None:
        """Put on record what is open now.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        key, seconds = keys.open_streams(self._bus.address), max(1, round(conf.lease_seconds))
        counts = self._count()
        if counts == self._written and (not counts or await self._redis.expire(key, seconds)):
            return
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            if counts:
                pipe.hset(key, mapping=cast(Any, counts))
                pipe.expire(key, seconds)
            await pipe.execute()
        self._written = counts
