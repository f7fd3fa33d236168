"""Subscribers to the server's changes: sessions (up to 2025-11-25) and `subscriptions/listen` (2026-07-28).

The process that makes a change appends it once to the pending messages of each session. So sessions whose
stream is briefly closed, or whose process has just died, get it when the client reconnects.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, cast, get_args

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.conf import conf
from mcp_app.coordination.connection import PORTION, in_portions, portions
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.shares import current_share
from mcp_app.coordination.total import add_expiring
from mcp_app.exceptions import Unavailable
from mcp_app.protocol.context import RequestContext
from mcp_app.protocol.personal_bus import PersonalBus
from mcp_app.sdk import CallNext, HandlerResult, ResourceUpdated, ServerEvent, event_to_notification
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import EventLog
from mcp_app.sessions.publications import Publications
from mcp_app.sessions.record import subscription_field

logger = logging.getLogger(__name__)

PUBLISHED = "subscriptions.published"

_KINDS: dict[str, type[ServerEvent]] = {kind.__name__: kind for kind in get_args(ServerEvent)}


class Subscribers:
    """The sessions that recently had a GET stream, within the idle time of a session."""

    def __init__(self, redis: Redis, log: EventLog) -> None:
        self._redis = redis
        self._log = log

    async def join(self, session_id: str) -> None:
        """Add or renew a session that has a GET stream, and remove expired ones."""
        await add_expiring(self._redis, keys.subscribers(), session_id, conf.session_idle_seconds)

    async def notify(self, event: ServerEvent, person: str | None = None) -> None:
        """Notify sessions of a change; for an updated resource, only those that subscribed to it.

        Args:
            event: The change.
            person: The key of the only person to notify (`Person.key`); None for everybody.

        Raises:
            Unavailable: Redis cannot be reached, or refuses some of it. What it has not refused until then
                is done.
        """
        await self._log.notify(await self._subscribed(event, await self._listening(person)), _message(event))

    async def _listening(self, person: str | None) -> list[str]:
        now = time.time()
        if person is None:
            return cast("list[str]", await self._redis.zrangebyscore(keys.subscribers(), now, "+inf"))
        own = cast("list[str]", await self._redis.zrange(keys.sessions_of_person(person), 0, -1))
        listening = list[str]()
        for portion in portions(own, PORTION):
            scores = await self._redis.zmscore(keys.subscribers(), portion)
            listening += [
                each
                for each, until in zip(portion, scores, strict=True)
                if until is not None and until >= now
            ]
        return listening

    async def _subscribed(self, event: ServerEvent, listening: Sequence[str]) -> list[str]:
        def add(pipe: Pipeline, session_id: str) -> Any:
            if isinstance(event, ResourceUpdated):
                return pipe.hexists(keys.record(session_id), subscription_field(event.uri))
            return pipe.exists(keys.record(session_id))

        found = await in_portions(self._redis, listening, add)
        return [session_id for session_id, is_so in found if is_so in (True, 1)]


class SharedSubscriptionBus(PersonalBus):
    """A bus shared by all processes, which also notifies sessions.

    `listening` is a middleware for `subscriptions/listen`: it registers this process in the directory while
    it serves such a request.
    """

    def __init__(self, directory: Directory, subscribers: Subscribers) -> None:
        super().__init__()
        self._directory = directory
        self._subscribers = subscribers
        self._publications = Publications()
        self._tasks: set[asyncio.Task[None]] = set()
        directory.bus.on(PUBLISHED, self._on_published)

    async def publish(self, event: ServerEvent, person: str | None = None) -> None:
        """Publish a change that has happened. Failing to reach some subscribers is logged, not raised.

        It is published even if the caller is cancelled meanwhile, and not within the share of the connections
        to Redis that the caller has: others wait for it. The same change is published once for all of a
        publisher's calls that wait for that; see `Publications`.
        """
        publisher = current_share() or person
        await self._publications.run(publisher, (event, person), lambda: self._publish(event, person))

    async def aclose(self) -> None:
        """Finish or cancel what is being published, before the connections close."""
        await self._publications.aclose()

    async def _publish(self, event: ServerEvent, person: str | None) -> None:
        message = {"type": PUBLISHED, "kind": type(event).__name__, "fields": vars(event), "person": person}
        await self._directory.publish(message, keys.listening_processes())
        try:
            await self._subscribers.notify(event, person)
        except Unavailable as error:
            logger.error(
                "could not notify all subscribers: Redis unavailable at %s",
                conf.redis_place,
                extra={"reason": str(error)},
            )

    async def listening(self, ctx: RequestContext, call_next: CallNext) -> HandlerResult:
        """A middleware: register this process before a listen request starts."""
        await self._directory.register_and_renew(keys.listening_processes())
        try:
            return await call_next(ctx)
        finally:
            self._directory.stop_renewing(keys.listening_processes())

    def _on_published(self, message: dict[str, Any]) -> None:
        kind = _KINDS.get(message["kind"])
        if kind is None:
            return  # from a later release
        known = {field.name for field in fields(kind)}
        event = kind(**{name: value for name, value in message["fields"].items() if name in known})
        task = asyncio.create_task(super().publish(event, message["person"]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _message(event: ServerEvent) -> dict[str, Any]:
    """The notification of a change, for revisions with sessions."""
    notification = event_to_notification(event, {}).model_dump(by_alias=True, mode="json", exclude_none=True)
    notification.get("params", {}).pop("_meta", None)
    return {"jsonrpc": "2.0", **notification}
