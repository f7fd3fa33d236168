"""The connections to Redis of one process."""

from __future__ import annotations

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError

from mcp_app.conf import conf


def connect(url: str) -> Redis:
    """A Redis client whose every wait has a bound."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=conf.redis_connections,
        timeout=conf.redis_timeout_seconds,
        socket_timeout=conf.redis_timeout_seconds,
        socket_connect_timeout=conf.redis_timeout_seconds,
        # A lost connection is opened again; a time-out is not waited for once more.
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=2, supported_errors=(ConnectionError,)),
        decode_responses=True,
    )
    return Redis.from_pool(pool)
