"""The processes: which processes there are, so that a change can wait until all of them have heard of it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import cast

from redis.asyncio import Redis

from mcp_app.conf import conf
from mcp_app.coordination.bus import Bus
from mcp_app.exceptions import Unavailable
from mcp_app.sessions import keys

logger = logging.getLogger(__name__)


class ProcessRegistry:
    """The roll of processes in Redis. One that has died is struck off when its lease has expired."""

    def __init__(self, redis: Redis, bus: Bus) -> None:
        self._redis = redis
        self._bus = bus

    async def addresses(self) -> list[str]:
        """Where the processes are reached that are believed alive, this one included."""
        return cast("list[str]", await self._redis.zrangebyscore(keys.PROCESSES, time.time(), "+inf"))

    async def register(self) -> None:
        """Put this process on the roll, or keep it there."""
        now = time.time()
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(keys.PROCESSES, {self._bus.address: now + conf.lease_seconds})
            pipe.zremrangebyscore(keys.PROCESSES, "-inf", now)
            pipe.expire(keys.PROCESSES, max(1, round(conf.lease_seconds)))
            await pipe.execute()

    async def leave(self) -> None:
        """Strike this process off: nobody waits for it any more."""
        try:
            await self._redis.zrem(keys.PROCESSES, self._bus.address)
        except Unavailable:
            return  # its lease expires

    async def _follow(self) -> None:
        """Move the bus to the server that has the keys, if it is subscribed at another one.

        After a failover the layer's connections may have stayed at the old primary. There they hear what the
        new one publishes, but what they publish reaches nobody.
        """
        [(_, subscribers)] = await self._redis.pubsub_numsub(self._bus.address)
        if not subscribers:
            logger.warning("the channel layer is connected to another server than the keys; it moves")
            await self._bus.reopen()
            await self.register()

    async def run(self) -> None:
        """Stay on the roll, and within hearing, until cancelled."""
        while True:
            await asyncio.sleep(conf.lease_seconds / 3)
            try:
                await self._bus.check()
                await self.register()
                await self._follow()
            except Unavailable as error:
                logger.warning("process heartbeat failed", extra={"reason": str(error)})
            except Exception:
                logger.exception("process heartbeat broke: internal error")
