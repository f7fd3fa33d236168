"""Work that is done for a session while it listens, in the one process that holds its claim."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import Context
from typing import Any, Protocol

from mcp_app.exceptions import RETRY_SECONDS, Unavailable
from mcp_app.protocol.jsonrpc import notification
from mcp_app.sessions.data import SessionData
from mcp_app.sessions.record import SessionRecord

logger = logging.getLogger(__name__)


class Claimant(Protocol):
    """A stream that may hold the claim to what its session is told."""

    @property
    def record(self) -> SessionRecord: ...

    async def send(self, message: Mapping[str, Any]) -> None:
        """Put a message onto the stream, if it still holds the claim."""


class ListeningSession:
    """A session with an open standalone stream, as work for it sees it.

    Attributes:
        data: What tools keep for the session.
    """

    def __init__(self, stream: Claimant, data: SessionData) -> None:
        self._stream = stream
        self.data = data

    @property
    def id(self) -> str:
        return self._stream.record.id

    @property
    def subscriptions(self) -> Collection[str]:
        """The URIs that the session is subscribed to now."""
        return self._stream.record.subscriptions

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification on the stream; a log message below the session's level is left out."""
        if self._stream.record.allows(method, params):
            await self._stream.send(notification(method, params))


Work = Callable[[ListeningSession], Awaitable[None]]


class ListeningWork:
    """The work beside one stream: it runs while the stream holds the claim.

    Args:
        session: The session of the stream.
        works: What is done.
    """

    def __init__(self, session: ListeningSession, works: Sequence[Work]) -> None:
        self._session = session
        self._works = works
        self._tasks: list[asyncio.Task[None]] = []

    def update(self, holds_claim: bool) -> None:
        """Start the work, or stop it, as the stream has got or lost the claim."""
        if holds_claim and not self._tasks:
            # It belongs to no request, and to no person.
            self._tasks = [asyncio.create_task(self._run(work), context=Context()) for work in self._works]
        elif not holds_claim:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    async def _run(self, work: Work) -> None:
        while True:
            try:
                await work(self._session)
                return
            except Unavailable:
                await asyncio.sleep(RETRY_SECONDS)  # and it begins anew
            except Exception:
                logger.exception(
                    "work for a listening session crashed", extra={"session": self._session.id[:8]}
                )
                return
