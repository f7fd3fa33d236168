"""Background work for a session while it listens, run by the stream that holds its claim."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import Context
from functools import partial
from typing import Any, Protocol

from mcp_app.coordination.cancellation import raise_if_cancelled
from mcp_app.coordination.outages import run_through_outages
from mcp_app.ids import short_id
from mcp_app.protocol.messages import notification
from mcp_app.sessions.data import SessionData
from mcp_app.sessions.record import SessionRecord

logger = logging.getLogger(__name__)


class Claimant(Protocol):
    """A stream that may hold the claim to its session's pending messages."""

    @property
    def record(self) -> SessionRecord: ...

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a message on the stream, if it still holds the claim."""


class ListeningSession:
    """A session with an open standalone stream, as its background work sees it.

    Attributes:
        data: Values that tools store for the session.
    """

    def __init__(self, stream: Claimant, data: SessionData) -> None:
        self._stream = stream
        self.data = data

    @property
    def id(self) -> str:
        """The id of the session; it gives access, so do not log all of it."""
        return self._stream.record.id

    @property
    def subscriptions(self) -> Collection[str]:
        """The URIs that the session is currently subscribed to."""
        return self._stream.record.subscriptions

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification on the stream, unless it is a log message below the session's level."""
        raise_if_cancelled()  # a stream that has closed must not take the claim again
        if self._stream.record.allows(method, params):
            await self._stream.send(notification(method, params))


Work = Callable[[ListeningSession], Awaitable[None]]


class ListeningWork:
    """The background work of one stream, which runs while the stream holds the claim."""

    def __init__(self, session: ListeningSession, background_work: Sequence[Work]) -> None:
        self._session = session
        self._background_work = background_work
        self._tasks: list[asyncio.Task[None]] = []

    def update(self, holds_claim: bool) -> None:
        """Start or stop the work, after the stream got or lost the claim."""
        if holds_claim and not self._tasks:
            # A new context: the work belongs to no request and no user.
            self._tasks = [
                asyncio.create_task(self._run(work), context=Context()) for work in self._background_work
            ]
        elif not holds_claim:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    async def _run(self, work: Work) -> None:
        try:
            # An outage is not logged: it interrupts the work of every session.
            await run_through_outages(partial(work, self._session))
        except Exception:
            fields = {"session": short_id(self._session.id)}
            logger.exception("work for a listening session crashed", extra=fields)
