"""What a process remembers for a few seconds, so that the common request asks nobody."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from mcp_app.conf import conf

T = TypeVar("T")

_KEPT_FOR = 12.0
"""How many times `MCP_CACHE_SECONDS` something unused is kept before it is thrown away."""


class ReadThroughCache(Generic[T]):
    """Values by key, bounded in number and in age. A change makes it forget, a read under way included."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, tuple[T, float]] = OrderedDict()
        self._reads: dict[str, asyncio.Task[T | None]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> T | None:
        """The value, if it is fresh enough to be trusted."""
        kept = self._values.get(key)
        if kept is None or time.monotonic() - kept[1] >= conf.cache_seconds:
            return None
        return kept[0]

    async def read(self, key: str, reader: Callable[[], Coroutine[Any, Any, T | None]]) -> T | None:
        """Read the value anew. However many ask for it meanwhile, it is read once."""
        reading = self._reads.get(key)
        if reading is None:
            reading = self._reads[key] = asyncio.create_task(reader())
            reading.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(reading)

    def put(self, key: str, value: T) -> None:
        now = time.monotonic()
        self._values[key] = (value, now)
        self._values.move_to_end(key)
        oldest = next(iter(self._values.values()))[1]
        while len(self._values) > conf.cache_entries or oldest < now - conf.cache_seconds * _KEPT_FOR:
            self._values.popitem(last=False)
            oldest = next(iter(self._values.values()))[1]

    def forget(self, key: str) -> None:
        """Trust neither the kept value nor one that is being read right now."""
        self._values.pop(key, None)
        self._reads.pop(key, None)

    def _keep(self, key: str, done: asyncio.Task[T | None]) -> None:
        failed = done.cancelled() or done.exception() is not None
        if self._reads.get(key) is not done:
            return  # forgotten while it was read
        del self._reads[key]
        value = None if failed else done.result()
        if value is None:
            self._values.pop(key, None)
        else:
            self.put(key, value)
