"""The bytes that one person holds in Redis, over all processes.

The keys themselves know what they hold. A process that is about to write more than a step since it last
looked adds them up for the person; so what a person holds exceeds the limit by at most a step and a message
per process. Only what grows with what a client sends or a tool returns is counted.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from redis.asyncio import Redis

from mcp_app.app_settings import Setting
from mcp_app.conf import conf
from mcp_app.coordination.connection import in_portions
from mcp_app.coordination.limits import QuotaExceeded
from mcp_app.exceptions import Unavailable

_MAX_STEP_BYTES = 1024 * 1024

LOOK_AGAIN_SECONDS = 1.0
"""How long a process that has refused something, or could not look, waits before it looks again."""


@dataclass(slots=True)
class _Account:
    """What this process knows of one person."""

    total: int = 0
    """What they held when this process last looked."""
    written: int = 0
    """What this process has written since."""
    in_flight: int = 0
    """What it is writing: a look may or may not see it yet."""
    looked_at: float = -math.inf
    failed_at: float = -math.inf
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_in_use(self) -> bool:
        return bool(self.in_flight) or self.looking.locked()

    def has_room(self, size: int, limit: int) -> bool:
        return self.total + self.written + self.in_flight + size <= limit

    def needs_no_look(self, size: int, limit: int) -> bool:
        return self.written + self.in_flight + size <= _step(limit) and self.has_room(size, limit)


@dataclass(frozen=True)
class Holding:
    """What is counted: items of a person, such as their sessions.

    Attributes:
        setting: The setting with the limit.
        refused: Makes the exception for what is refused.
        index: Returns the key of the sorted set with the items of a person.
        keys: Returns the keys of an item, all in one slot.
        script: Returns how many bytes an item holds, by these keys.
    """

    setting: Setting[int]
    refused: Callable[[], QuotaExceeded]
    index: Callable[[str], str]
    keys: Callable[[str], Sequence[str]]
    script: str


class HeldBytes:
    """Limits what each person holds."""

    def __init__(self, redis: Redis, holding: Holding) -> None:
        self._redis = redis
        self._holding = holding
        self._size_of = redis.register_script(holding.script)
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    @property
    def _limit(self) -> int:
        return int(getattr(conf, self._holding.setting.attribute))

    @asynccontextmanager
    async def reserve(self, person: str, size: int, *, always: bool = False) -> AsyncIterator[None]:
        """Reserve space for what the body of the context writes for a person.

        Args:
            person: Their key (`Person.key`).
            size: How much is written, in bytes.
            always: Whether it is written, and counted, even if there is no room.

        Raises:
            QuotaExceeded: There is no room.
        """
        if not size:
            yield
            return
        account = self._account(person)
        if not (always or account.needs_no_look(size, self._limit)):
            await self._ensure(person, account, size)
        account.in_flight += size
        try:
            yield
        finally:
            account.in_flight -= size
            account.written += size

    async def ensure(self, person: str) -> None:
        """Refuse new work of a person who has no room for another step, as far as this process knows.

        Raises:
            QuotaExceeded: There is no room.
        """
        account = self._accounts.get(person)
        if account is not None and not account.has_room(step := _step(self._limit), self._limit):
            await self._ensure(person, account, step)

    async def total(self, person: str) -> int:
        """What a person holds, in bytes.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        items = cast("list[str]", await self._redis.zrange(self._holding.index(person), 0, -1))
        found = await in_portions(
            self._redis, items, lambda pipe, item: self._size_of(keys=self._holding.keys(item), client=pipe)
        )
        return sum(held for _, held in found if isinstance(held, int))

    async def _ensure(self, person: str, account: _Account, size: int) -> None:
        async with account.looking:
            now, limit = time.monotonic(), self._limit
            is_refused = not account.has_room(size, limit) and now - account.looked_at < LOOK_AGAIN_SECONDS
            has_failed = now - account.failed_at < LOOK_AGAIN_SECONDS
            if not (account.needs_no_look(size, limit) or is_refused or has_failed):
                await self._look(person, account)
            if not account.has_room(size, limit):
                raise self._holding.refused()

    async def _look(self, person: str, account: _Account) -> None:
        began, written = time.monotonic(), account.written
        try:
            account.total = await self.total(person)
        except Unavailable:  # what is to be written has its own way of waiting for Redis
            account.failed_at = time.monotonic()
        else:
            account.written -= written
            account.looked_at = began

    def _account(self, person: str) -> _Account:
        account = self._accounts.pop(person, None) or _Account()
        self._accounts[person] = account
        for _ in range(len(self._accounts) - conf.cache_entries):
            oldest, its = self._accounts.popitem(last=False)
            if its.is_in_use:
                self._accounts[oldest] = its
        return account


def _step(limit: int) -> int:
    """How many bytes a process writes for a person before it looks."""
    return min(_MAX_STEP_BYTES, limit // 16)
