"""The serving processes and their numbers of open streams, updated with every heartbeat."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

from redis.asyncio import Redis

from mcp_app.conf import conf
from mcp_app.coordination import keys
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.total import add_expiring
from mcp_app.exceptions import Unavailable

logger = logging.getLogger(__name__)


class ProcessRegistry:
    """The list of live processes, in Redis. `beat` is part of the heartbeat."""

    def __init__(self, redis: Redis, bus: Bus) -> None:
        self._redis = redis
        self._bus = bus

    async def register(self) -> None:
        """Add this process to the list, or renew its entry."""
        await add_expiring(self._redis, keys.processes(), self._bus.address, conf.lease_seconds)

    async def leave(self) -> None:
        """Remove this process from the list."""
        if not self._bus.address:
            return  # it never entered
        with suppress(Unavailable):  # the entry expires
            await self._redis.zrem(keys.processes(), self._bus.address)

    async def beat(self) -> None:
        """Renew the entry, and check the bus.

        Raises:
            Unavailable: Redis or the channel layer cannot be reached.
        """
        await self._bus.check()
        await self.register()
        await self._follow()

    async def _follow(self) -> None:
        """Reconnect the bus if it is subscribed at another Redis server than the one with the keys.

        After a failover the layer's connections may still be at the old primary. They then receive what the
        new one publishes, but nobody receives what they publish.
        """
        [(_, subscribers)] = await self._redis.pubsub_numsub(self._bus.address)
        if not subscribers:
            logger.warning("channel layer connected to the wrong Redis server; reconnecting")
            await self._bus.reopen()
            await self.register()


class OpenStreams:
    """Publishes how many streams this process has open, by session, for operators.

    `beat` is part of the heartbeat.
    """

    def __init__(self, redis: Redis, bus: Bus, count: Callable[[], Mapping[str, int]]) -> None:
        self._redis = redis
        self._bus = bus
        self._count = count
        self._written: Mapping[str, int] = {}

    async def beat(self) -> None:
        """Write the current numbers.

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
