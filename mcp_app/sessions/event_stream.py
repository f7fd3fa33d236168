"""One open event stream: streams of a session's log, read onto one connection.

It reads the log from a position, sends what it finds, and waits to be woken. Whoever appends to the log wakes
the connections of the session in all processes; should that message be lost, each looks by itself, at the
latest with its next keep-alive.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection

from mcp_app.conf import conf
from mcp_app.exceptions import Unavailable
from mcp_app.sessions.event_log import EventsLost, Reader
from mcp_app.sessions.events import Event
from mcp_app.sessions.record import SessionRecord

logger = logging.getLogger(__name__)

_POLL_MILLISECONDS = 500
"""When to come back to a stream that a tool has closed (SEP-1699): nothing is wrong, the answer is near."""

_OUTAGE_SECONDS = 30.0
"""How long a stream outlives a Redis that does not answer; afterwards it ends, and its client resumes."""

RecoverIfLost = Callable[[SessionRecord, str], Awaitable[bool]]
"""Says whether the call behind a stream still runs, and settles one whose process died."""


class EventStream:
    """One open connection.

    Args:
        record: The session.
        names: The streams by whose names it can be closed.
        reader: Of the log, from where the connection begins.
    """

    listens = False
    """Whether it waits for whatever may come, and not for an answer."""

    def __init__(self, record: SessionRecord, names: Collection[str], reader: Reader) -> None:
        self.session_id = record.id
        self.names = set(names)
        self.record = record
        self.outdated = False
        """Whether the session record has changed since this stream read it."""
        self.is_complete = False
        """Whether it has ended with the answer, so that there is nothing to come back for."""
        self.retry_milliseconds = conf.retry_milliseconds
        """When its client is to come back if it ends before it is complete."""
        self._reader = reader
        self._woken = asyncio.Event()
        self._closed = False
        self._reached_at = time.monotonic()
        """When Redis last answered."""

    def carries(self, stream: str) -> bool:
        """Whether the events of a stream go onto this connection."""
        return stream in self.names

    def is_woken_by(self, stream: str) -> bool:
        """Whether it is woken by what is added to a stream."""
        return self.carries(stream)

    def wake(self) -> None:
        self._woken.set()

    def close(self, *, polled: bool = False) -> None:
        """End the connection; a client that comes back gets the rest, soon if the stream is `polled`."""
        if polled:
            self.retry_milliseconds = _POLL_MILLISECONDS
        self._closed = True
        self._woken.set()

    def drop(self, stream: str, *, complete: bool = False, polled: bool = False) -> None:
        """Carry a stream no longer; without any the connection ends.

        Args:
            stream: The stream. Its log goes on.
            complete: Whether there is nothing to come back for.
            polled: Whether the client is to come back soon (SEP-1699).
        """
        self.is_complete = complete
        self.close(polled=polled)

    async def begin(self) -> None:
        """Take what the stream must hold before its first bytes are sent."""

    async def leave(self) -> None:
        """Give up what the stream held."""

    async def items(self) -> AsyncGenerator[Event | None, None]:
        """The events to send; None when there has been silence for so long that a keep-alive is due.

        Ends when the stream is complete or closed. Use it in `contextlib.aclosing`, within `Streams.opened`.
        """
        spoke_at = time.monotonic()
        while not self._closed:
            self._woken.clear()
            events = await self._events()
            for event in events:
                if not self.carries(event.stream):
                    continue
                yield event
                spoke_at = time.monotonic()
                if event.final:
                    self._answered(event.stream)
                if self._closed:
                    return  # what is left waits for the client to come back
            if not events:
                self._drop_ended()
            if events or self._closed:
                continue
            await self._sleep(min(spoke_at + conf.keep_alive_seconds, time.monotonic() + conf.lease_seconds))
            if time.monotonic() >= spoke_at + conf.keep_alive_seconds:
                yield None
                spoke_at = time.monotonic()

    async def _events(self) -> list[Event]:
        """What the log has after the stream's position, once the stream has been looked after."""
        try:
            await self._tick()
            events = await self._reader.read()
        except EventsLost as lost:
            logger.warning(
                "closing stream: its events were trimmed from the log", extra={"session": self.session_id[:8]}
            )
            self.drop(lost.stream)  # a client that comes back is told so
            return []
        except Unavailable:
            if time.monotonic() - self._reached_at > _OUTAGE_SECONDS:
                self._closed = True
            return []
        self._reached_at = time.monotonic()
        return events

    async def _sleep(self, until: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _tick(self) -> None:
        """Keep alive what the stream depends on; close it when there is nothing more to wait for."""
        raise NotImplementedError

    def _answered(self, stream: str) -> None:
        """Note that the final event of a stream has been sent."""

    def _drop_ended(self) -> None:
        """Drop the streams to which nothing will be added, now that all of them has been sent."""


class ReplyStream(EventStream):
    """The answer to one call, or to those of a batch; in the response to a POST, or to a GET that resumes it.

    Args:
        record: The session.
        names: The streams of the calls.
        reader: Of these streams.
        recover_if_lost: Of the calls.
        resumed: Whether the calls may be of a process that has died.
    """

    def __init__(
        self,
        record: SessionRecord,
        names: Collection[str],
        reader: Reader,
        recover_if_lost: RecoverIfLost,
        *,
        resumed: bool,
    ) -> None:
        super().__init__(record, names, reader)
        self._recover_if_lost = recover_if_lost
        self._checked_at = -math.inf if resumed else time.monotonic()
        self._ended: set[str] = set()
        """The streams to which nothing will be added."""
        self._is_cut = False
        """Whether a stream was dropped for whose rest the client may come back."""

    def drop(self, stream: str, *, complete: bool = False, polled: bool = False) -> None:
        if stream not in self.names:
            return
        self.names.remove(stream)
        self._is_cut |= not complete
        if not self.names:
            super().drop(stream, complete=not self._is_cut, polled=polled)

    def _answered(self, stream: str) -> None:
        self.drop(stream, complete=True)

    def _drop_ended(self) -> None:
        for stream in self._ended:
            self.drop(stream)

    async def _tick(self) -> None:
        now = time.monotonic()
        if now - self._checked_at < conf.lease_seconds / 2:
            return
        self._checked_at = now
        # What the calls left in the log is read after this, so one that has just ended loses nothing.
        for stream in list(self.names):
            if not await self._recover_if_lost(self.record, stream):
                self._ended.add(stream)
