"""Event streams: reading the event log of a session onto one open connection.

A stream reads the log from its place, sends what it finds, and waits to be woken. Whoever appends to the
log wakes the streams of the session in all processes; should that message be lost, the stream looks by
itself at every keep-alive.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.exceptions import RedisError

from mcp_app.conf import conf
from mcp_app.coordination.bus import Bus
from mcp_app.sessions.event_log import APPENDED, EventLog, EventsLost, Reader
from mcp_app.sessions.events import PENDING, START, Event
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import CHANGED, ENDED, SessionStore
from mcp_app.sessions.subscribers import Audience

logger = logging.getLogger(__name__)

CLOSE = "stream.close"

_POLL_MILLISECONDS = 500
"""When to come back to a stream that a tool has closed (SEP-1699): nothing is wrong, the answer is near."""

_OUTAGE_SECONDS = 30.0
"""How long a stream outlives a Redis that does not answer; afterwards it ends, and its client resumes."""

Notification = tuple[str, dict[str, Any]]
Simulation = Callable[[float, float, Collection[str], random.Random], list[Notification]]
"""Notifications that fall due between two moments of a stream: (previous, now, subscriptions, rng)."""


class Streams:
    """The event streams that are open in this process."""

    def __init__(
        self,
        log: EventLog,
        bus: Bus,
        sessions: SessionStore,
        audience: Audience,
        simulation: Simulation,
    ) -> None:
        self.log = log
        self.sessions = sessions
        self.audience = audience
        self.simulation = simulation
        self._bus = bus
        self._open: dict[str, set[EventStream]] = defaultdict(set)
        self._ending = False
        bus.on(APPENDED, self._on_appended)
        bus.on(CLOSE, self._on_close)
        bus.on(CHANGED, self._on_changed)
        bus.on(ENDED, self._on_ended)

    def __len__(self) -> int:
        return sum(len(streams) for streams in self._open.values())

    def counts(self) -> dict[str, int]:
        """How many streams are open in this process, by session."""
        return {session_id: len(streams) for session_id, streams in self._open.items() if streams}

    async def close(
        self, session_id: str, stream: str, *, complete: bool = False, polled: bool = False
    ) -> None:
        """End the connections that carry a stream, wherever they are.

        Its log goes on, and a client may come back for the rest.

        Args:
            session_id: The session.
            stream: The stream.
            complete: Whether there is nothing to come back for.
            polled: Whether the client is to come back soon (SEP-1699).
        """
        message: dict[str, Any] = {"type": CLOSE, "session": session_id, "stream": stream}
        message |= {"complete": complete, "polled": polled}
        await self._bus.send_to_session(session_id, message)

    def end_listeners(self) -> None:
        """End the GET streams of this process; their clients come back elsewhere."""
        for stream in self._all():
            if isinstance(stream, ListenerStream):
                stream.close()

    def end_all(self) -> None:
        """End every stream of this process, those that are about to open included."""
        self._ending = True
        for stream in self._all():
            stream.close()

    async def opened(self, stream: EventStream) -> None:
        """Let a stream hear what happens to its session.

        Raises:
            RedisError, OSError: The channel layer cannot be reached.
        """
        self._open[stream.session_id].add(stream)
        if self._ending:
            stream.close()
        try:
            await self._bus.join(stream.session_id)
        except BaseException:
            self._forget(stream)
            raise

    async def left(self, stream: EventStream) -> None:
        self._forget(stream)
        await self._bus.leave(stream.session_id)

    def _forget(self, stream: EventStream) -> None:
        streams = self._open[stream.session_id]
        streams.discard(stream)
        if not streams:
            del self._open[stream.session_id]

    def _all(self) -> list[EventStream]:
        return [stream for streams in self._open.values() for stream in streams]

    def _streams(self, message: dict[str, Any]) -> list[EventStream]:
        return list(self._open.get(message["session"], ()))

    def _on_appended(self, message: dict[str, Any]) -> None:
        for stream in self._streams(message):
            if stream.carries(message["stream"]):
                stream.wake()

    def _on_close(self, message: dict[str, Any]) -> None:
        for stream in self._streams(message):
            if stream.name == message["stream"]:
                stream.is_complete = stream.is_complete or message["complete"]
                stream.close(polled=message["polled"])

    def _on_changed(self, message: dict[str, Any]) -> None:
        for stream in self._streams(message):
            stream.outdated = True
            stream.wake()

    def _on_ended(self, message: dict[str, Any]) -> None:
        for stream in self._streams(message):
            stream.close()


class EventStream:
    """One open event stream of a session, from a place in its log onwards.

    Args:
        streams: Where it belongs.
        record: The session.
        name: The stream.
        after: The last event that the client knows.
        looked: Up to where the log holds nothing of this stream, for one that begins now.
    """

    def __init__(
        self, streams: Streams, record: SessionRecord, name: str, after: str, looked: str = START
    ) -> None:
        self.session_id = record.id
        self.name = name
        self.record = record
        self.outdated = False
        """Whether the session record has changed since this stream read it."""
        self.is_complete = False
        """Whether the stream has ended with the answer, so that there is nothing to come back for."""
        self.retry_milliseconds = conf.retry_milliseconds
        """When its client is to come back if it ends before it is complete."""
        self._streams = streams
        self._reader = Reader(streams.log, record.id, name, after, looked)
        self._woken = asyncio.Event()
        self._closed = False
        self._is_over = False
        """Whether nothing will be added to its log any more."""
        self._answered_at = time.monotonic()

    def wake(self) -> None:
        self._woken.set()

    def close(self, *, polled: bool = False) -> None:
        """End the stream; a client that comes back gets the rest, soon if the stream is `polled`."""
        if polled:
            self.retry_milliseconds = _POLL_MILLISECONDS
        self._closed = True
        self._woken.set()

    def carries(self, stream: str) -> bool:
        """Whether messages logged under this name are for this stream."""
        return stream == self.name

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hold what the stream needs while it is open. Enter it before the first bytes are sent.

        A client that has seen those bytes may act on them: it then relies on the stream being in place.
        While Redis cannot be reached a stream begins all the same; `items` knows what to do.
        """
        is_placed = True
        try:
            await self._streams.opened(self)
        except (RedisError, OSError):
            is_placed = False
        if not is_placed:
            self.close()  # the client is told to come back
            yield
            return
        try:
            with suppress(RedisError, OSError):
                await self._begin()
            yield
        finally:
            await self._streams.left(self)
            await self._leave()

    async def items(self) -> AsyncGenerator[Event | None, None]:
        """The events to send; None when there has been silence for so long that a keep-alive is due.

        Ends when the stream is complete or closed. Use it in `contextlib.aclosing`, within `opened`.
        """
        spoke_at = time.monotonic()
        while not self._closed:
            self._woken.clear()
            events = await self._events()
            for event in events:
                yield event
                spoke_at = time.monotonic()
                if event.final:
                    self.is_complete = True
                    return
                if self._closed:
                    return  # what is left waits for the client to come back
            if events or self._closed:
                continue
            if self._is_over:
                return
            await self._sleep(min(spoke_at + conf.keep_alive_seconds, time.monotonic() + conf.lease_seconds))
            if time.monotonic() >= spoke_at + conf.keep_alive_seconds:
                yield None
                spoke_at = time.monotonic()

    async def _events(self) -> list[Event]:
        """What the log has after the stream's place, once the stream has been looked after."""
        try:
            await self._look()
            events = await self._reader.read()
        except EventsLost:
            logger.warning("a stream ends: its log has lost events", extra={"session": self.session_id[:8]})
            self._closed = True  # a client that comes back is told so
            return []
        except (RedisError, OSError):
            if time.monotonic() - self._answered_at > _OUTAGE_SECONDS:
                self._closed = True
            return []
        self._answered_at = time.monotonic()
        return events

    async def _sleep(self, until: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _look(self) -> None:
        """Keep alive what the stream depends on; close it when there is nothing more to wait for."""
        raise NotImplementedError

    async def _begin(self) -> None:
        """Take what the stream must hold before its first bytes are sent."""

    async def _leave(self) -> None:
        """Give up what the stream held."""


class ReplyStream(EventStream):
    """The stream that answers one call, in the response to its POST or to a GET that resumes it."""

    def __init__(
        self,
        streams: Streams,
        record: SessionRecord,
        name: str,
        after: str,
        look_after: Callable[[SessionRecord, str], Awaitable[bool]],
        looked: str = START,
        *,
        resumed: bool,
    ) -> None:
        super().__init__(streams, record, name, after, looked)
        self._look_after = look_after
        self._looked_at = -math.inf if resumed else time.monotonic()

    async def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < conf.lease_seconds / 2:
            return
        self._looked_at = now
        # What the call left in the log is read after this, so a call that has just ended loses nothing.
        if not await self._look_after(self.record, self.name):
            self._is_over = True


class ListenerStream(EventStream):
    """A GET stream: it carries the messages of the session that belong to no call.

    A session may have several. One of them is chosen to get what comes: the newest, or when that has
    gone, another. The chosen one also ticks the session's simulations, of which there is thus one.

    With `look_after_all` it carries the answers to calls as well (HTTP+SSE), and looks after them.
    """

    def __init__(
        self,
        streams: Streams,
        record: SessionRecord,
        name: str,
        after: str,
        look_after_all: Callable[[SessionRecord], Awaitable[None]] | None = None,
        *,
        resumed: bool,
    ) -> None:
        super().__init__(streams, record, name, after)
        self.is_chosen = False
        self._skips = not resumed
        self._claim = f"{name}/{secrets.token_hex(4)}"
        self._look_after_all = look_after_all
        self._opened_at = self._ticked_at = time.monotonic()
        self._renewed_at = self._looked_at = time.monotonic()
        self._rng = random.Random()  # noqa: S311 - picks a demonstration message

    def carries(self, stream: str) -> bool:
        return stream in (self.name, PENDING)

    async def _begin(self) -> None:
        """Take the claim from whichever stream has it.

        Only here: once the client has seen this stream's first bytes it may open another, and the claim is
        that one's from then on. A stream that fails to take it now gets it when no other stream holds it.
        """
        await self._streams.audience.join(self.session_id)
        if self._skips:
            await self._reader.skip()  # what is taken from here on is for this stream
        await self._take(take_over=True)

    async def _take(self, *, take_over: bool) -> None:
        self.is_chosen = await self._streams.log.take(
            self.session_id, self.name, self._claim, take_over=take_over
        )

    async def _renew(self) -> bool:
        """Read the record anew; the stream closes when there is none any more."""
        self.outdated = False
        record = await self._streams.sessions.renew(self.session_id)
        if record is None:
            self.close()
            return False
        self.record = record
        self._renewed_at = time.monotonic()
        await self._streams.audience.join(self.session_id)
        return True

    async def _look(self) -> None:
        now = time.monotonic()
        if (self.outdated or now - self._renewed_at >= conf.keep_alive_seconds) and not await self._renew():
            return
        if self._look_after_all is not None and now - self._looked_at >= conf.lease_seconds:
            self._looked_at = now
            await self._look_after_all(self.record)
        await self._take(take_over=False)
        due = self._due(now)
        for method, params in due if self.is_chosen else ():
            message = {"jsonrpc": "2.0", "method": method, "params": params}
            await self._streams.log.append(self.session_id, self.name, message)

    def _due(self, now: float) -> list[Notification]:
        previous, self._ticked_at = self._ticked_at, now
        return [
            notification
            for notification in self._streams.simulation(
                previous - self._opened_at, now - self._opened_at, self.record.subscriptions, self._rng
            )
            if self.record.admits(notification)
        ]

    async def _leave(self) -> None:
        try:
            await self._streams.log.release(self.session_id, self._claim)
        except (RedisError, OSError):
            return  # the claim expires by itself
        await self._streams.log.wake(self.session_id, PENDING)
