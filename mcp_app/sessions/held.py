"""The bytes that one person holds in Redis, over all their sessions and processes.

The keys of each session know what it holds. A process that is about to write more than a step since it last
looked adds up the sessions of the person; so what a person holds exceeds the limit at most by a step, and a
message, for each other process. Only what grows with what a client sends or a tool returns is counted.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.conf import Conf, conf
from mcp_app.coordination.connection import in_portions
from mcp_app.coordination.limits import QuotaExceeded
from mcp_app.exceptions import Unavailable
from mcp_app.sessions import keys

_STEP = 1024 * 1024
"""After how many bytes written for a person a process looks, if the limit is not so small that it has to look
earlier."""

AGAIN_SECONDS = 1.0
"""How long a process that has refused something does not look again."""

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
    """What this process has written since, or is about to write."""
    looked_at: float = -math.inf
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from a look until what it made room for is written: others would not see that yet."""

    def has_room(self, size: int) -> bool:
        return self.total + self.written + size <= conf.max_held_bytes


class HeldBytes:
    """Limits what each person holds to `MCP_MAX_HELD_BYTES`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._held = redis.register_script(_HELD)
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    @asynccontextmanager
    async def room(self, person: str, size: int) -> AsyncIterator[None]:
        """Write something for a person in the body, if there is room for it.

        Args:
            person: Their key (`Person.key`).
            size: How much is written, in bytes.

        Raises:
            TooMuchHeld: There is no room.
        """
        if not size:
            yield
            return
        account = self._account(person)
        if account.written + size <= self._step() and account.has_room(size):
            account.written += size
            yield
            return
        async with account.asking:
            await self._ensure(person, account, size)
            account.written += size
            yield

    async def ensure(self, person: str) -> None:
        """Refuse new work of a person who has no room for another step, as far as this process knows.

        Raises:
            TooMuchHeld: There is no room.
        """
        account = self._accounts.get(person)
        if account is not None and not account.has_room(self._step()):
            async with account.asking:
                await self._ensure(person, account, self._step())

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
        now = time.monotonic()
        if account.has_room(size) or now - account.looked_at >= AGAIN_SECONDS:
            with suppress(Unavailable):  # what is to be written has its own way of waiting for Redis
                written = account.written
                account.total = await self.total(person)
                account.written -= written
                account.looked_at = now
        if not account.has_room(size):
            raise TooMuchHeld

    @staticmethod
    def _step() -> int:
        return min(_STEP, conf.max_held_bytes // 16)

    def _account(self, person: str) -> _Account:
        account = self._accounts.pop(person, None) or _Account()
        self._accounts[person] = account
        if len(self._accounts) > conf.cache_entries:
            oldest = next(iter(self._accounts))
            if not self._accounts[oldest].asking.locked():
                del self._accounts[oldest]
        return account
