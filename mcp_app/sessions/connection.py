"""The connections to Redis of one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError, ReadOnlyError, RedisError

from mcp_app.conf import conf

_RETRY_SECONDS = 0.5
"""How soon something is tried again."""


async def insist(attempt: Callable[[], Awaitable[Any]], seconds: float) -> None:
    """Do something that may be done twice, and try again while Redis does not answer.

    Args:
        attempt: What to do.
        seconds: For how long it is tried.

    Raises:
        RedisError: Redis did not answer for so long.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            await attempt()
            return
        except (RedisError, OSError):
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(_RETRY_SECONDS)


def connect(url: str) -> Redis:
    """A Redis client whose every wait has a bound."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=conf.redis_connections,
        timeout=conf.redis_timeout_seconds,
        socket_timeout=conf.redis_timeout_seconds,
        socket_connect_timeout=conf.redis_timeout_seconds,
        # A lost connection is opened again; a time-out is not waited for once more. So is a connection to a
        # server that has become a replica: it refused the write, and the address may lead to the primary now.
        retry=Retry(
            ExponentialBackoff(cap=0.5, base=0.05),
            retries=2,
            supported_errors=(ConnectionError, ReadOnlyError),
        ),
        decode_responses=True,
    )
    return Redis.from_pool(pool)
