"""Sets of things that expire, and counts of them over all processes."""

from __future__ import annotations

import math
import time
from contextlib import suppress

from redis.asyncio import Redis

from mcp_app.exceptions import Unavailable


async def add_expiring(redis: Redis, key: str, name: str, seconds: float) -> None:
    """Add to a sorted set of names by when they expire, or renew, and remove those that have expired.

    The set itself expires with what lives longest.

    Args:
        redis: The connections to Redis.
        key: The key of the set.
        name: What is added.
        seconds: How long it lives.

    Raises:
        Unavailable: Redis cannot be reached, or the set is damaged.
    """
    now = time.time()
    async with redis.pipeline(transaction=True) as pipe:
        pipe.zremrangebyscore(key, "-inf", now)
        pipe.zadd(key, {name: now + seconds})
        pipe.expire(key, math.ceil(seconds), gt=True)
        pipe.expire(key, math.ceil(seconds), nx=True)
        await pipe.execute()


class Total:
    """Counts what expires: a sorted set of ids by when they do, which is only read for its length.

    What cannot be counted, as Redis is unavailable, makes the count wrong until it expires. Nothing fails.

    Args:
        redis: The connections to Redis.
        key: The key of the set.
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    async def add(self, name: str, seconds: float) -> None:
        """Count one more.

        Args:
            name: Its id.
            seconds: How long it lives.
        """
        with suppress(Unavailable):
            await add_expiring(self._redis, self._key, name, seconds)

    async def remove(self, name: str) -> None:
        """Count one less, if it is counted."""
        with suppress(Unavailable):
            await self._redis.zrem(self._key, name)

    async def count(self) -> int:
        """How many there are.

        Raises:
            Unavailable: Redis cannot be reached, or the set is damaged.
        """
        return int(await self._redis.zcount(self._key, time.time(), "+inf"))
