"""The audience: the sessions that hear of the server's changes (revisions up to 2025-11-25).

A change is told by whoever makes it, once to each session, by way of what is pending there. So it reaches
a session whose stream is away for a moment, or whose process has just died, when its client comes back.
"""

from __future__ import annotations

import asyncio
import time
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

    async def tell(self, event: ServerEvent) -> None:
        """Tell the sessions of a change: of a resource's only those that subscribed to it.

        Raises:
            Unavailable: Not all of them could be told.
        """
        message = _message(event)
        sessions = await self._concerned(event)
        for start in range(0, len(sessions), _AT_ONCE):
            chunk = sessions[start : start + _AT_ONCE]
            await asyncio.gather(*(self._log.append(session_id, PENDING, message) for session_id in chunk))

    async def _concerned(self, event: ServerEvent) -> list[str]:
        listening = cast("list[str]", await self._redis.zrangebyscore(keys.LISTENING, time.time(), "+inf"))
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
