"""Connections to Redis after a failover: none that was opened before it is used again.

An address leads to the new primary soon after a failover, but a connection that is open stays at the old one.
If that has become a replica, it refuses writes, and a connection used for a write is reopened. But it still
answers reads, with what it had: a session that was opened since would be unknown there.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar
from weakref import WeakSet

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError, ReadOnlyError

from mcp_app.conf import conf

T = TypeVar("T")


class FailoverPool(BlockingConnectionPool):
    """A pool that reopens each of its connections before its next use, once a server has refused to write.

    Lost connections are reopened as well; what has timed out is not repeated.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, retry=_Retry(self._distrust), **options)
        self._distrusted_until: float | None = None
        self._trusted: WeakSet[Any] = WeakSet()

    def _distrust(self) -> None:
        """What is open, or opened until the next heartbeat, may lead to a server that has become a replica.

        Heartbeats write. So if the address still leads to the replica then, this is called again.
        """
        self._distrusted_until = time.monotonic() + conf.lease_seconds / 3
        self._trusted.clear()

    async def get_connection(self, *args: Any, **options: Any) -> Any:
        connection = await super().get_connection(*args, **options)  # type: ignore[no-untyped-call]
        if self._distrusted_until is None or connection in self._trusted:
            return connection
        try:
            await connection.disconnect()  # it connects when it is used
        except BaseException:
            await self.release(connection)
            raise
        if time.monotonic() >= self._distrusted_until:
            self._trusted.add(connection)
        return connection


class _Retry(Retry):
    """Tries again over a new connection: the address may lead to the new primary now."""

    def __init__(self, on_replica: Callable[[], None]) -> None:
        super().__init__(
            ExponentialBackoff(cap=0.5, base=0.05),
            retries=2,
            supported_errors=(ConnectionError, ReadOnlyError),
        )
        self._on_replica = on_replica

    def __deepcopy__(self, memo: Any) -> Self:
        """Every connection copies its `Retry`, which would copy the pool. It has no state."""
        return self

    async def call_with_retry(
        self, do: Callable[[], Awaitable[T]], fail: Callable[..., Any], *args: Any, **options: Any
    ) -> T:
        async def attempt() -> T:
            try:
                return await do()
            except ReadOnlyError:
                self._on_replica()
                raise

        return await super().call_with_retry(attempt, fail, *args, **options)
