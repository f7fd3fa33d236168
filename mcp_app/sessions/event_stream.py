"""One open event stream: streams of a session's log, sent on one connection.

It reads the log from a position, sends the events, and waits to be woken. Appending to the log wakes the
session's connections in all processes; if that message is lost, they poll, at the latest after the time of a
keep-alive or of a lease.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection

from mcp_app.conf import conf
from mcp_app.exceptions import Unavailable, Unreadable
from mcp_app.ids import short_id
from mcp_app.sessions.event_log import EventsLost, Reader
from mcp_app.sessions.events import Event
from mcp_app.sessions.record import SessionRecord

logger = logging.getLogger(__name__)

_RECONNECT_SOON_MILLISECONDS = 500
"""When to reconnect to a stream that a tool has closed (SEP-1699): soon, as nothing is wrong."""

_OUTAGE_SECONDS = 30.0
"""How long a stream survives a Redis outage; then it ends, and the client can resume it."""

RecoverIfLost = Callable[[SessionRecord, str], Awaitable[bool]]
"""Returns whether the call behind a stream is still running, after recovering one whose process died."""


Moment = tuple[int, str]
"""When a connection resumed its stream, by the clock of Redis; the text distinguishes equal times."""

_FIRST: Moment = (0, "")


class EventStream:
    """One open connection.

    Args:
        names: The names of the streams it carries.
        reader: Reads these streams from where the connection starts.
        resumed: Whether it takes the place of earlier connections of its stream.
    """

    listens = False
    """Whether it is a standalone stream rather than the response to a call."""

    def __init__(
        self, record: SessionRecord, names: Collection[str], reader: Reader, *, resumed: bool = False
    ) -> None:
        self.id = secrets.token_hex(4)
        """Identifies the connection."""
        self.session_id = record.id
        self.names = set(names)
        self.record = record
        self.outdated = False
        """Whether the session record has changed since this stream read it."""
        self.is_complete = False
        """Whether it ended with the response, so that there is nothing to reconnect for."""
        self.retry_milliseconds = conf.retry_milliseconds
        """When the client should reconnect if the stream ends before it is complete."""
        self.resumed_at: Moment | None = None if resumed else _FIRST
        """None until it is registered."""
        self._resumed_elsewhere_at = _FIRST
        """When the latest other connection did so."""
        self._reader = reader
        self._woken = asyncio.Event()
        self.is_closed = False
        self._reached_at = time.monotonic()
        """When Redis last answered."""

    def carries(self, stream: str) -> bool:
        """Whether the events of a stream are sent on this connection."""
        return stream in self.names

    def is_woken_by(self, stream: str) -> bool:
        """Whether appending to a stream wakes this connection."""
        return self.carries(stream)

    def wake(self) -> None:
        self._woken.set()

    def close(self, *, reconnect_soon: bool = False) -> None:
        """End the connection. The client can reconnect for the rest, and does so soon if asked to."""
        if reconnect_soon:
            self.retry_milliseconds = _RECONNECT_SOON_MILLISECONDS
        self.is_closed = True
        self._woken.set()

    def drop(self, stream: str, *, complete: bool = False, reconnect_soon: bool = False) -> None:
        """Stop carrying a stream, as in `Streams.close`; the connection ends with its last stream."""
        self.is_complete = complete
        self.close(reconnect_soon=reconnect_soon)

    def registered(self, at: Moment) -> None:
        """Set when it resumed its stream. It is closed if another has done so since."""
        self.resumed_at = at
        if at < self._resumed_elsewhere_at:
            self.close()

    def on_resumed_elsewhere(self, stream: str, at: Moment) -> None:
        """Stop carrying a stream that another connection has resumed, unless this one does so later."""
        self._resumed_elsewhere_at = max(self._resumed_elsewhere_at, at)
        if self.resumed_at is not None and self.resumed_at < at:
            self.drop(stream)

    async def begin(self) -> None:
        """Acquire what the stream needs before its first bytes are sent."""

    async def leave(self) -> None:
        """Release what the stream acquired."""

    async def items(self) -> AsyncGenerator[Event | None, None]:
        """The events to send; None when a keep-alive is due.

        Ends when the stream is complete or closed. Use it in `contextlib.aclosing`, within `Streams.opened`.
        """
        spoke_at = time.monotonic()
        while not self.is_closed:
            self._woken.clear()
            events = await self._events()
            for event in events or ():
                if not self.carries(event.stream):
                    continue
                yield event
                spoke_at = time.monotonic()
                if event.final:
                    self._on_final(event.stream)
                if self.is_closed:
                    return  # the client gets the rest when it reconnects
            if events == []:
                self._drop_ended()
            if events or self.is_closed:
                continue
            await self._sleep(min(spoke_at + conf.keep_alive_seconds, time.monotonic() + conf.lease_seconds))
            if time.monotonic() >= spoke_at + conf.keep_alive_seconds:
                yield None
                spoke_at = time.monotonic()

    async def _events(self) -> list[Event] | None:
        """The next events in the log, after maintenance; None if they could not be read."""
        try:
            await self._tick()
            events = await self._reader.read()
        except EventsLost as lost:
            logger.warning(
                "closing stream: its events were trimmed from the log",
                extra={"session": short_id(self.session_id)},
            )
            self.drop(lost.stream)  # a client that reconnects gets an error
            self.wake()  # to read the others
            return None
        except Unreadable as error:
            logger.warning(
                "closing stream: its session cannot be read",
                extra={"session": short_id(self.session_id), "reason": str(error)},
            )
            await self._abandon()
            return None
        except Unavailable:
            if time.monotonic() - self._reached_at > _OUTAGE_SECONDS:
                self.is_closed = True
            return None
        self._reached_at = time.monotonic()
        return events

    async def _abandon(self) -> None:
        """End the connection, as its session cannot be read."""
        self.close()

    async def _sleep(self, until: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _tick(self) -> None:
        """Renew what the stream depends on; close it if there is nothing left to wait for."""
        raise NotImplementedError

    def _on_final(self, stream: str) -> None:
        """Called after the final event of a stream was sent."""

    def _drop_ended(self) -> None:
        """Drop ended streams, after all their events were sent."""


class ReplyStream(EventStream):
    """The stream of one call or of a batch; sent in response to a POST, or to a GET that resumes it.

    Args:
        names: The streams of the calls.
        recover_if_lost: Recovers the calls.
        resumed: Whether the process of the calls may have died.
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
        super().__init__(record, names, reader, resumed=resumed)
        self._recover_if_lost = recover_if_lost
        self._checked_at = -math.inf if resumed else time.monotonic()
        self._ended: set[str] = set()
        """The streams that get no more events."""
        self._is_cut = False
        """Whether a stream was dropped before it was complete, so that the client may resume it."""

    def drop(self, stream: str, *, complete: bool = False, reconnect_soon: bool = False) -> None:
        if stream not in self.names:
            return
        self.names.remove(stream)
        self._is_cut |= not complete
        if not self.names:
            super().drop(stream, complete=not self._is_cut, reconnect_soon=reconnect_soon)

    def _on_final(self, stream: str) -> None:
        self.drop(stream, complete=True)

    def _drop_ended(self) -> None:
        for stream in self._ended:
            self.drop(stream)

    async def _tick(self) -> None:
        now = time.monotonic()
        if now - self._checked_at < conf.lease_seconds / 2:
            return
        self._checked_at = now
        # The log is read after this, so nothing of a call that has just ended is missed.
        for stream in list(self.names):
            if not await self._recover_if_lost(self.record, stream):
                self._ended.add(stream)
