"""A read-through cache that lets common requests run without Redis or the database."""

from __future__ import annotations

import asyncio
import contextvars
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mcp_app.conf import conf

T = TypeVar("T")

REFRESHED_FROM, REFRESHED_TO = 0.7, 0.95
"""The fraction of its lifetime after which a value in use is refreshed, chosen at random between these two so
that values read together do not expire together."""

_REFRESHES = 8
"""How many values are refreshed ahead of expiry at the same time."""

_KEPT_FOR = 12.0
"""How long an unused value is kept, as a multiple of `MCP_CACHE_SECONDS`."""


Loader = Callable[[], Coroutine[Any, Any, T | None]]


@dataclass(slots=True)
class _Kept(Generic[T]):
    value: T
    read_at: float
    refresh_from: float
    """The fraction of its lifetime after which it is refreshed; 1.0 once that has been tried."""
    size: int


class ReadThroughCache(Generic[T]):
    """Values by key, bounded in number, bytes and age. `forget` also discards a read in progress.

    Args:
        size_of: Estimates the memory that a value takes, in bytes.
    """

    def __init__(self, size_of: Callable[[T], int]) -> None:
        self._size_of = size_of
        self._size = 0
        self._values: OrderedDict[str, _Kept[T]] = OrderedDict()
        self._reads: dict[str, asyncio.Task[T | None]] = {}
        self._refreshes: set[asyncio.Task[T | None]] = set()
        self._running: set[asyncio.Task[T | None]] = set()
        """All reads, including those whose result nobody wants any more."""

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str, load: Loader[T]) -> T | None:
        """The value if it is fresh; near the end of its lifetime it is also refreshed in the background."""
        kept = self._values.get(key)
        if kept is None:
            return None
        age = time.monotonic() - kept.read_at
        if age >= conf.cache_seconds:
            return None
        if age >= conf.cache_seconds * kept.refresh_from:
            self._refresh(key, kept, load)
        return kept.value

    async def read(self, key: str, load: Loader[T]) -> T | None:
        """Read the value again. Concurrent callers share one read."""
        reading = self._reads.get(key)
        if reading is None:
            reading = self._start(key, asyncio.create_task(load()))
        return await asyncio.shield(reading)

    def put(self, key: str, value: T, read_at: float) -> None:
        """Store a value whose read started at `read_at` (`time.monotonic`)."""
        horizon = time.monotonic() - conf.cache_seconds * _KEPT_FOR
        refresh_from = random.uniform(REFRESHED_FROM, REFRESHED_TO)  # noqa: S311 - no secret
        self._drop(key)
        size = self._size_of(value)
        self._values[key] = _Kept(value, read_at, refresh_from, size)
        self._size += size
        while self._values:
            oldest, kept = next(iter(self._values.items()))
            is_full = len(self._values) > conf.cache_entries or self._size > conf.cache_bytes
            if not is_full and kept.read_at >= horizon:
                return
            self._drop(oldest)

    def _drop(self, key: str) -> None:
        kept = self._values.pop(key, None)
        if kept is not None:
            self._size -= kept.size

    def forget(self, key: str) -> None:
        """Discard the stored value and any read in progress."""
        self._drop(key)
        self._reads.pop(key, None)

    async def aclose(self) -> None:
        """Cancel all reads, and wait until they have let go of their connections."""
        for reading in list(self._running):
            reading.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _refresh(self, key: str, kept: _Kept[T], load: Loader[T]) -> None:
        if key in self._reads or len(self._refreshes) >= _REFRESHES:
            return
        kept.refresh_from = 1.0
        # A new context: the refresh belongs to no request and no user.
        refreshing = self._start(key, asyncio.create_task(load(), context=contextvars.Context()))
        self._refreshes.add(refreshing)
        refreshing.add_done_callback(self._refreshes.discard)

    def _start(self, key: str, reading: asyncio.Task[T | None]) -> asyncio.Task[T | None]:
        began = time.monotonic()
        self._reads[key] = reading
        self._running.add(reading)
        reading.add_done_callback(lambda done: self._keep(key, done, began))
        return reading

    def _keep(self, key: str, done: asyncio.Task[T | None], read_at: float) -> None:
        self._running.discard(done)
        failed = done.cancelled() or done.exception() is not None
        if self._reads.get(key) is not done:
            return  # forgotten while it was read
        del self._reads[key]
        if failed:
            return  # the stored value stays valid until it expires
        value = done.result()
        if value is None:
            self._drop(key)
        else:
            self.put(key, value, read_at)
