"""The event streams that are open in this process."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

from mcp_app.activity import MAX_SHOWN
from mcp_app.conf import conf
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.limits import STREAMS, QuotaExceeded, TooManyWaiting
from mcp_app.coordination.quotas import Quotas
from mcp_app.exceptions import Unavailable, Unreadable
from mcp_app.ids import short_id
from mcp_app.observers import NOBODY, Observers, StreamFacts
from mcp_app.protocol.words import shortened
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import APPENDED, NOTIFIED, EventLog, Reader
from mcp_app.sessions.event_stream import EventStream, Moment, RecoverIfLost, ReplyStream
from mcp_app.sessions.events import PENDING, START, shown
from mcp_app.sessions.listening_work import Work
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.standalone_stream import HttpSseStream, StandaloneStream
from mcp_app.sessions.store import SESSION_CHANGED, SESSION_ENDED, SessionStore
from mcp_app.sessions.subscribers import Subscribers

CLOSE = "stream.close"
RESUMED_ELSEWHERE = "stream.resumed"
"""A message that a later connection has resumed a stream, so that its earlier ones close."""
ROOM_NEEDED = "stream.room_needed"
"""A message that a GET stream opens at the person's limit, so that the others of its session close."""


class Streams:
    """Creates event streams, wakes open ones, and closes them."""

    def __init__(
        self,
        log: EventLog,
        directory: Directory,
        sessions: SessionStore,
        subscribers: Subscribers,
        quotas: Quotas,
        background_work: Sequence[Work] = (),
        observers: Observers = NOBODY,
    ) -> None:
        self.log = log
        self._observers = observers
        self._directory = directory
        self._activity = directory.bus.activity
        self._sessions = sessions
        self._subscribers = subscribers
        self._quotas = quotas
        self._work = background_work
        self._open: dict[str, set[EventStream]] = defaultdict(set)
        self._ending = False
        bus = directory.bus
        bus.on(APPENDED, self._on_appended)
        bus.on(NOTIFIED, self._on_notified)
        bus.on(CLOSE, self._on_close)
        bus.on(RESUMED_ELSEWHERE, self._on_resumed_elsewhere)
        bus.on(ROOM_NEEDED, self._on_room_needed)
        bus.on(SESSION_CHANGED, self._on_changed)
        bus.on(SESSION_ENDED, self._on_ended)

    def __len__(self) -> int:
        return sum(len(streams) for streams in self._open.values())

    def count(self, *, listens: bool) -> int:
        """How many standalone streams are open in this process, or how many others."""
        return sum(stream.listens is listens for stream in self._all())

    def counts(self) -> dict[str, int]:
        """How many streams are open in this process, by session."""
        return {session_id: len(streams) for session_id, streams in self._open.items() if streams}

    def reply(
        self, record: SessionRecord, names: Collection[str], recover_if_lost: RecoverIfLost, scan_from: str
    ) -> ReplyStream:
        """A stream with the events of calls from the start.

        Args:
            names: The streams of the calls.
            recover_if_lost: Recovers the calls.
            scan_from: A position before which the log has no events of these streams.
        """
        reader = Reader(self.log, record.id, dict.fromkeys(names, START), scan_from)
        return ReplyStream(record, names, reader, recover_if_lost, resumed=False)

    def resumed_reply(
        self, record: SessionRecord, name: str, after: str, recover_if_lost: RecoverIfLost, scan_from: str
    ) -> ReplyStream:
        """Resumes the stream of a call after the last event that the client has; see `reply`."""
        reader = Reader(self.log, record.id, {name: after}, scan_from)
        return ReplyStream(record, {name}, reader, recover_if_lost, resumed=True)

    def standalone(
        self, record: SessionRecord, name: str, after: str, *, resumed: bool, scan_from: str = START
    ) -> StandaloneStream:
        """A GET stream, starting after the last event that the client has."""
        parts = (self.log, self._sessions, self._subscribers, self._work)
        return StandaloneStream(record, name, after, *parts, resumed=resumed, scan_from=scan_from)

    def http_sse(
        self, record: SessionRecord, name: str, after: str, recover_if_lost: RecoverIfLost
    ) -> HttpSseStream:
        """The stream of an HTTP+SSE session, starting after the last event that the client has."""
        return HttpSseStream(
            record, name, after, self.log, self._sessions, self._subscribers, self._work, recover_if_lost
        )

    async def close(
        self, session_id: str, stream: str, *, complete: bool = False, reconnect_soon: bool = False
    ) -> None:
        """Close the connections of a stream in all processes.

        The stream continues in the log, and the client can resume it.

        Args:
            complete: Whether there is nothing to reconnect for.
            reconnect_soon: Whether the client should reconnect soon (SEP-1699).
        """
        message: dict[str, Any] = {"type": CLOSE, "session": session_id, "stream": stream}
        message |= {"complete": complete, "reconnect_soon": reconnect_soon}
        await self._directory.publish(message, keys.processes(session_id))

    def end_standalone(self) -> None:
        """End the GET streams of this process; clients resume them at another."""
        for stream in self._all():
            if stream.listens:
                stream.close()

    def end_all(self) -> None:
        """End every stream of this process, including those that are about to open."""
        self._ending = True
        for stream in self._all():
            stream.close()

    @asynccontextmanager
    async def opened(self, stream: EventStream) -> AsyncIterator[None]:
        """Register a stream while it is open. Enter it before the first bytes are sent.

        A client that has seen those bytes relies on the stream being registered. If Redis cannot be reached,
        the stream starts closed, so that the client reconnects. If it could not resume the stream, as it has
        no position, the stream starts nevertheless, and is registered with the next heartbeat; until then it
        gets what is sent in this process.

        Raises:
            QuotaExceeded: It is a standalone stream, and the person has `MCP_MAX_STREAMS` open. The streams
                of calls are limited with the calls, as each has one connection.
        """
        place = keys.processes(stream.session_id)
        is_placed = is_counted = False
        self._open[stream.session_id].add(stream)
        record, kind = stream.record, "standalone" if stream.listens else "reply"
        names = shortened(record.user), shortened(record.client)
        facts = StreamFacts(kind, record.id, *names, is_resumed=stream.resumed_at is None)
        self._observers.tell("stream_opened", facts)
        if self._activity.watched:
            self._note("stream.open" if stream.resumed_at is not None else "stream.resumed", stream)
        if self._ending:
            stream.close()
        try:
            try:
                if stream.resumed_at is None:
                    at = await self._directory.register(place, conf.lease_seconds)
                    self._directory.start_renewing(place)
                    is_placed = True
                    await self._close_earlier(stream, (at, secrets.token_hex(4)))
                else:
                    await self._directory.register_and_renew(place)
                    is_placed = True
            except Unreadable:
                raise  # there is nothing to reconnect to
            except Unavailable:
                if not is_placed and (stream.listens or stream.record.has_priming):
                    stream.close()  # the client gets a `retry:` and reconnects
                elif not is_placed:
                    self._directory.start_renewing(place)
                    is_placed = True
            if stream.listens and not stream.is_closed:
                await self._make_room(stream)
                self._quotas.use(stream.record.person_key, STREAMS)
                is_counted = True
            if not stream.is_closed:
                try:
                    await stream.begin()
                except Unreadable:
                    raise
                except Unavailable:
                    pass  # it begins later, as it ticks
            yield
        finally:
            self._observers.tell("stream_closed", facts)
            if self._activity.watched:
                self._note("stream.closed", stream)
            self._forget(stream)
            if is_counted:
                self._quotas.release(stream.record.person_key, STREAMS)
            if is_placed:
                self._directory.stop_renewing(place)
                await stream.leave()

    async def _make_room(self, stream: EventStream) -> None:
        """Make room for one more stream; at the limit, close the session's other ones.

        A client whose connection was cut opens another long before the server notices, and only the newest
        stream of a session gets messages.

        Raises:
            QuotaExceeded: The person's other sessions have too many, or too many requests wait for Redis.
        """
        person = stream.record.person_key
        try:
            await self._quotas.ensure(person, STREAMS)
        except TooManyWaiting:
            raise
        except QuotaExceeded:
            message = {"type": ROOM_NEEDED, "session": stream.session_id, "by": stream.id}
            await self._directory.publish(message, keys.processes(stream.session_id), confirm=True)
            await self._quotas.ensure(person, STREAMS)

    async def _close_earlier(self, stream: EventStream, at: Moment) -> None:
        """Close the earlier connections of a stream that is resumed, and wait until they are closed.

        A client may resume a stream several times at once, at different processes, and the latest connection
        stays open (2025-11-25, Streamable HTTP, "Multiple Connections"). Redis registers a connection and
        gives it its time in one script; only then does it look for others. So of any two, the later one finds
        the earlier.
        """
        stream.registered(at)
        for name in tuple(stream.names):  # a later connection may take them meanwhile
            message = {
                "type": RESUMED_ELSEWHERE,
                "session": stream.session_id,
                "stream": name,
                "by": list(at),
            }
            await self._directory.publish(message, keys.processes(stream.session_id), confirm=True)

    def _note(self, kind: str, stream: EventStream) -> None:
        self._activity.note(
            kind,
            session=stream.session_id,
            person=stream.record.person_key,
            stream=stream.id,
            listens=stream.listens,
            names=sorted(map(shown, stream.names))[:8],
        )

    def shown(self) -> list[dict[str, Any]]:
        """The streams that are open in this process, for the machine room."""
        return [
            {
                "person": stream.record.person_key,
                "session": short_id(stream.session_id),
                "stream": stream.id,
                "listens": stream.listens,
                "client": shortened(stream.record.client_name or stream.record.client),
                "user": shortened(stream.record.user),
            }
            for stream in self._all()[-MAX_SHOWN:]
        ]

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
            if stream.is_woken_by(message["stream"]):
                stream.wake()
                if self._activity.watched:
                    self._note("wake.heard", stream)

    def _on_notified(self, message: dict[str, Any]) -> None:
        for session_id in message["sessions"]:
            self._on_appended({"session": session_id, "stream": PENDING})

    def _on_close(self, message: dict[str, Any]) -> None:
        for stream in self._streams(message):
            if message["stream"] in stream.names:
                stream.drop(
                    message["stream"], complete=message["complete"], reconnect_soon=message["reconnect_soon"]
                )

    def _on_resumed_elsewhere(self, message: dict[str, Any]) -> None:
        microseconds, nonce = message["by"]
        for stream in self._streams(message):
            if message["stream"] in stream.names:
                stream.on_resumed_elsewhere(message["stream"], (microseconds, nonce))

    def _on_room_needed(self, message: dict[str, Any]) -> None:
        for stream in self._streams(message):
            if stream.listens and stream.id != message["by"]:
                stream.close()

    def _on_changed(self, message: dict[str, Any]) -> None:
        for stream in self._streams(message):
            stream.outdated = True
            stream.wake()

    def _on_ended(self, message: dict[str, Any]) -> None:
        for stream in self._streams(message):
            stream.close()
