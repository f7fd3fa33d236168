"""The peers: which processes there are, so that a change can wait until all of them have heard of it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from mcp_app.conf import conf
from mcp_app.sessions import keys
from mcp_app.sessions.mailbox import Mailbox

logger = logging.getLogger(__name__)


class Peers:
    """The roll of processes in Redis. One that has died is struck off when its lease has expired."""

    def __init__(self, redis: Redis, mailbox: Mailbox) -> None:
        self._redis = redis
        self._mailbox = mailbox

    async def addresses(self) -> list[str]:
        """Where the processes are reached that are believed alive, this one included."""
        return cast("list[str]", await self._redis.zrangebyscore(keys.PROCESSES, time.time(), "+inf"))

    async def enrol(self) -> None:
        """Put this process on the roll, or keep it there."""
        now = time.time()
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(keys.PROCESSES, {self._mailbox.address: now + conf.lease_seconds})
            pipe.zremrangebyscore(keys.PROCESSES, "-inf", now)
            pipe.expire(keys.PROCESSES, max(1, round(conf.lease_seconds)))
            await pipe.execute()

    async def leave(self) -> None:
        """Strike this process off: nobody waits for it any more."""
        try:
            await self._redis.zrem(keys.PROCESSES, self._mailbox.address)
        except (RedisError, OSError):
            return  # its lease expires

    async def run(self) -> None:
        """Stay on the roll, and within hearing, until cancelled."""
        while True:
            await asyncio.sleep(conf.lease_seconds / 3)
            try:
                await self._mailbox.check()
                await self.enrol()
            except (RedisError, OSError):
                logger.warning("the roll of processes could not be kept: Redis cannot be reached")
            except Exception:
                logger.exception("the roll of processes could not be kept")
