"""How many sessions a person has, over all clients and processes."""

from __future__ import annotations

import asyncio
import math
import time
from typing import cast
from weakref import WeakValueDictionary

from redis.asyncio import Redis

from mcp_app.conf import Conf, conf
from mcp_app.coordination.connection import in_portions, portions
from mcp_app.coordination.held import LOOK_AGAIN_SECONDS
from mcp_app.coordination.limits import QuotaExceeded
from mcp_app.coordination.turns import turn
from mcp_app.sessions import keys
from mcp_app.sessions.record import SessionRecord

_CREATION_SECONDS = 60
"""How long a session is counted before its record exists: it may be in creation."""

_PORTION = 100
"""Sessions that are looked at before the next decision whether enough have been found."""


class TooManySessions(QuotaExceeded):
    """The person has the maximum number of sessions in use."""

    def __init__(self) -> None:
        idle = conf.session_idle_seconds
        super().__init__(
            "Too many sessions: you have {limit} in use, over all clients ({setting}). End one with DELETE; "
            f"one that has not been used for {idle} s is ended to make room.",
            Conf.max_sessions,
            idle,
        )


class SessionQuota:
    """Limits each person to `MCP_MAX_SESSIONS`.

    Each session is in a slot of its own, so no script can look at several. A process looks for one person at
    a time, from the oldest session on until it has found enough. After a refusal it compares only their
    number for a second: ending a session makes room at once, one that becomes idle does a little later.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._looking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._refused_at: dict[str, float] = {}
        """By index, in the order of the refusals."""

    async def add(self, record: SessionRecord) -> list[str]:
        """Count a new session, before it is stored, so that concurrent processes see each other's.

        Returns:
            The idle sessions to end, oldest first, if there would be too many.

        Raises:
            TooManySessions: The person has `MCP_MAX_SESSIONS` in use. The new one is not counted.
            TooManyWaiting: Others of theirs have been looked for all that time.
        """
        index = keys.sessions_of(record.owner)
        if self._was_refused(index) and await self._redis.zcard(index) >= conf.max_sessions:
            raise TooManySessions
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(index, {record.id: record.created_at})
            pipe.zremrangebyscore(index, "-inf", time.time() - conf.session_max_seconds)
            pipe.expire(index, conf.session_max_seconds)
            pipe.zcard(index)
            *_, count = await pipe.execute()
        if count <= conf.max_sessions:
            return []
        lock = self._looking.get(index)
        if lock is None:
            lock = self._looking[index] = asyncio.Lock()
        async with turn(lock, conf.redis_timeout_seconds):
            is_full = self._was_refused(index)
            lost, idle, excess = ([], [], 1) if is_full else await self._look(index, record.id, count)
            if len(idle) < excess:
                await self._redis.zrem(index, record.id, *lost)
                if not is_full:
                    self._remember_refusal(index)
                raise TooManySessions
            if lost:
                await self._redis.zrem(index, *lost)
            return idle[:excess]

    async def _look(self, index: str, new: str, count: int) -> tuple[list[str], list[str], int]:
        """The sessions that no longer exist, idle ones, and how many of these must end.

        Args:
            index: The sessions of the person.
            new: The session to make room for.
            count: How many there were when it was added.
        """
        found = cast("list[tuple[str, float]]", await self._redis.zrange(index, 0, -1, withscores=True))
        # Those that were added after this one end others for themselves, and may have done so already.
        excess = min(count, len(found)) - conf.max_sessions
        began_at = {session_id: score for session_id, score in found if session_id != new}
        lost: list[str] = []
        idle: list[str] = []
        for portion in portions(began_at, _PORTION):
            if len(lost) + len(idle) >= excess:
                break
            for session_id, existing in await in_portions(
                self._redis, portion, lambda pipe, each: pipe.exists(keys.record(each), keys.owner(each))
            ):
                if existing == 1:  # the record without what shows that it is in use
                    idle.append(session_id)
                elif existing == 0 and began_at[session_id] < time.time() - _CREATION_SECONDS:
                    lost.append(session_id)
        return lost, idle, max(0, excess - len(lost))

    def _was_refused(self, index: str) -> bool:
        return time.monotonic() - self._refused_at.get(index, -math.inf) < LOOK_AGAIN_SECONDS

    def _remember_refusal(self, index: str) -> None:
        self._refused_at = {known: at for known, at in self._refused_at.items() if self._was_refused(known)}
        self._refused_at[index] = time.monotonic()
