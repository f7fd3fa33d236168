"""The bytes that one person holds in Redis, over all their sessions and processes.

The keys of each session know what it holds. A process that is about to write more than a step since it last
looked adds up the sessions of the person; so what a person holds exceeds the limit at most by a step, and a
message, for each process. Only what grows with what a client sends or a tool returns is counted.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.conf import Conf, conf
from mcp_app.coordination.connection import in_portions
from mcp_app.coordination.limits import QuotaExceeded
from mcp_app.exceptions import Unavailable
from mcp_app.sessions import keys

_LONGEST_STEP = 1024 * 1024

LOOK_AGAIN_SECONDS = 1.0
"""How long a process does not look again that has refused something, or could not look."""

# What a session holds, in bytes. KEYS: record, tails, calls, data.
_HELD = """
local record, tails, calls, data = unpack(KEYS)
local held = redis.call('HSTRLEN', record, 'client_params')
local function add(size) held = held + (size or 0) end
add(redis.call('HGET', record, 'subscribed_bytes'))
add(redis.call('HGET', tails, 'bytes'))
add(redis.call('HGET', tails, 'pending'))
add(redis.call('HGET', data, ''))
for _, stream in ipairs(redis.call('HKEYS', calls)) do add(redis.call('HSTRLEN', calls, stream)) end
return held
"""


class TooMuchHeld(QuotaExceeded):
    """The sessions of a person hold the maximum number of bytes."""

    def __init__(self) -> None:
        idle = conf.session_idle_seconds
        super().__init__(
            "Too much data: your sessions may hold {limit} bytes of messages and files, over all clients "
            f"({{setting}}). End some with DELETE; what one holds is deleted after {idle} s without use.",
            Conf.max_held_bytes,
            idle,
        )


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

    def has_room(self, size: int) -> bool:
        return self.total + self.written + self.in_flight + size <= conf.max_held_bytes

    def needs_no_look(self, size: int) -> bool:
        return self.written + self.in_flight + size <= _step() and self.has_room(size)


class HeldBytes:
    """Limits what each person holds to `MCP_MAX_HELD_BYTES`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._held = redis.register_script(_HELD)
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    @asynccontextmanager
    async def room(self, person: str, size: int, *, always: bool = False) -> AsyncIterator[None]:
        """Write something for a person in the body, if there is room for it.

        Args:
            person: Their key (`Person.key`).
            size: How much is written, in bytes.
            always: Whether it is written, and counted, even if there is no room.

        Raises:
            TooMuchHeld: There is no room.
        """
        if not size:
            yield
            return
        account = self._account(person)
        if not (always or account.needs_no_look(size)):
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
            TooMuchHeld: There is no room.
        """
        account = self._accounts.get(person)
        if account is not None and not account.has_room(_step()):
            await self._ensure(person, account, _step())

    async def total(self, person: str) -> int:
        """What the sessions of a person hold, in bytes.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        index = keys.sessions_of_person(person)
        sessions = cast("list[str]", await self._redis.zrange(index, 0, -1))
        found = await in_portions(self._redis, sessions, self._add_session)
        return sum(held for _, held in found if isinstance(held, int))

    async def _add_session(self, pipe: Pipeline, session_id: str) -> Any:
        names = (keys.record, keys.tails, keys.calls, keys.data)
        await self._held(keys=[name(session_id) for name in names], client=pipe)

    async def _ensure(self, person: str, account: _Account, size: int) -> None:
        async with account.looking:
            now = time.monotonic()
            is_refused = not account.has_room(size) and now - account.looked_at < LOOK_AGAIN_SECONDS
            has_failed = now - account.failed_at < LOOK_AGAIN_SECONDS
            if not (account.needs_no_look(size) or is_refused or has_failed):
                await self._look(person, account)
            if not account.has_room(size):
                raise TooMuchHeld

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


def _step() -> int:
    """After how many bytes written for a person a process looks."""
    return min(_LONGEST_STEP, conf.max_held_bytes // 16)
