"""The audience: the sessions that hear of the server's changes (revisions up to 2025-11-25).

A change is told by whoever makes it, once to each session, by way of what is pending there. So it reaches
a session whose stream is away for a moment, or whose process has just died, when its client comes back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

from mcp.server.subscriptions import ServerEvent
from redis.asyncio import Redis

from mcp_app.conf import conf
from mcp_app.sdk import ResourceUpdated, event_to_notification
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import EventLog
from mcp_app.sessions.events import PENDING
from mcp_app.sessions.record import subscription_field

_AT_ONCE = 16
"""How many sessions are told at a time: fewer than there are connections to Redis."""


class Audience:
    """The sessions that have listened of late: as long ago as a session lives without use."""

    def __init__(self, redis: Redis, log: EventLog) -> None:
        self._redis = redis
        self._log = log

    async def join(self, session_id: str) -> None:
        """Count a session in: it has a GET stream now. Those that are long gone are struck off."""
        now = time.time()
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(keys.LISTENING, {session_id: now + conf.session_idle_seconds})
            pipe.zremrangebyscore(keys.LISTENING, "-inf", now)
            pipe.expire(keys.LISTENING, conf.session_idle_seconds)
            await pipe.execute()

    async def tell(self, event: ServerEvent, person: str | None = None) -> None:
        """Tell the sessions of a change: of a resource's only those that subscribed to it.

        Args:
            event: The change.
            person: The key of the only person who is told (`Person.key`); None for everybody.

        Raises:
            Unavailable: Not all of them could be told.
        """
        message = _message(event)
        sessions = await self._concerned(event, await self._listening(person))
        for start in range(0, len(sessions), _AT_ONCE):
            chunk = sessions[start : start + _AT_ONCE]
            await asyncio.gather(*(self._log.append(session_id, PENDING, message) for session_id in chunk))

    async def _listening(self, person: str | None) -> list[str]:
        now = time.time()
        if person is None:
            return cast("list[str]", await self._redis.zrangebyscore(keys.LISTENING, now, "+inf"))
        own = cast("list[str]", await self._redis.zrange(keys.sessions_of_person(person), 0, -1))
        async with self._redis.pipeline(transaction=False) as pipe:
            for session_id in own:
                pipe.zscore(keys.LISTENING, session_id)
            scores = await pipe.execute()
        return [session_id for session_id, until in zip(own, scores, strict=True) if (until or 0) >= now]

    async def _concerned(self, event: ServerEvent, listening: Sequence[str]) -> list[str]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for session_id in listening:
                if isinstance(event, ResourceUpdated):
                    pipe.hexists(keys.record(session_id), subscription_field(event.uri))
                else:
                    pipe.exists(keys.record(session_id))
            concerned = await pipe.execute()
        return [session_id for session_id, is_so in zip(listening, concerned, strict=True) if is_so]


def _message(event: ServerEvent) -> dict[str, Any]:
    """The notification of a change, as revisions with sessions have it."""
    notification = event_to_notification(event, {}).model_dump(by_alias=True, mode="json", exclude_none=True)
    notification.get("params", {}).pop("_meta", None)
    return {"jsonrpc": "2.0", **notification}
