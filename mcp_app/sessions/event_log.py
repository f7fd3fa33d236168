"""The event log: every message sent on an event stream of a session, in order.

Each session has one Redis Stream, capped in length, with the events of all its event streams.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.conf import conf
from mcp_app.coordination.bus import name_in
from mcp_app.coordination.connection import in_portions, portions
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.leases import RELEASE
from mcp_app.exceptions import Unreadable, reading
from mcp_app.ids import short_id
from mcp_app.protocol.messages import to_json
from mcp_app.sessions import keys, log_scripts
from mcp_app.sessions.events import (
    END,
    HTTP_SSE_REPLY,
    PENDING,
    START,
    Event,
    is_http_sse_reply,
    is_standalone,
    order,
    shown,
)

APPENDED = "stream.appended"
NOTIFIED = "stream.notified"
"""Like `APPENDED`, for the pending messages of many sessions."""

logger = logging.getLogger(__name__)

_PAGE, _PAGE_BYTES = 50, 1024 * 1024
"""The maximum number of entries per read of a log, and of bytes, not counting the last entry."""

_AT_ONCE = 100
"""How many sessions are notified in one round trip; others run in between."""

ONCE_SECONDS = 90
"""How long the id of an append is remembered: longer than appends are retried."""

Entry = tuple[str, dict[str, str]]
"""An entry of a log: its position and its fields."""


class Replay(NamedTuple):
    """What a log has of a stream after a position.

    Attributes:
        is_whole: Whether every later event is still in the log.
        has_events: Whether there are any.
        scan_from: A position before which the log has none of them.
    """

    is_whole: bool
    has_events: bool
    scan_from: str = START


def limits() -> tuple[int, int, int]:
    """The limits of a log, as `put` takes them: length, bytes, seconds to live."""
    return conf.event_log_length, conf.event_log_bytes, conf.session_idle_seconds


def _appending(session_id: str, stream: str, data: bytes) -> dict[str, Any]:
    """The keys and arguments of the script that appends."""
    log = keys.pending(session_id) if stream == PENDING else keys.events(session_id)
    names = [log, keys.appended(session_id), keys.tails(session_id), keys.processes(session_id)]
    return {
        "keys": names,
        "args": [stream, data, secrets.token_hex(8), *limits(), ONCE_SECONDS],
    }


class EventsLost(Exception):
    """Messages of `stream` were trimmed from the log before they were read, or cannot be read."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.stream = stream


class Reader:
    """Reads some streams of one session's log, from given positions on.

    Args:
        after: The position of the last known event of each stream, by name.
        scan_from: A position to start scanning from, if the streams have no unread events before it.
    """

    def __init__(
        self, log: EventLog, session_id: str, after: Mapping[str, str], scan_from: str = START
    ) -> None:
        self._log = log
        self._session_id = session_id
        self._after = dict(after)
        self.read_before = scan_from
        """Where the last page began."""
        self._scan_from = min(after.values(), key=order, default=START) if scan_from == START else scan_from

    async def skip(self) -> None:
        """Start at the end of the log. Only for streams that have no events yet."""
        self._scan_from = await self._log.end(self._session_id)

    async def read(self) -> list[Event]:
        """The next page of events, in order; empty if there are no more at the moment.

        Raises:
            EventsLost: Events of a stream were trimmed, or one cannot be read. That stream is no longer
                read; the others can be.
        """
        while True:
            entries, has_more = await self._log.page(self._session_id, self._scan_from, self._wanted())
            events = self._select(entries)
            if entries:
                self.read_before, self._scan_from = self._scan_from, entries[-1][0]
            if events or not has_more:
                return events

    def _wanted(self) -> Collection[str]:
        """The beginnings of the names of these streams."""
        return self._after

    def _select(self, entries: Sequence[Entry]) -> list[Event]:
        """The events of these streams among the entries of a page."""
        after = dict(self._after)
        events = []
        for position, fields in entries:
            stream = fields.get("stream", "")
            if stream not in after:
                continue
            try:
                if fields.get("previous") != after[stream]:
                    raise EventsLost(stream)
                events.append(self._event(position, fields))
            except (EventsLost, Unreadable):
                del self._after[stream]
                raise EventsLost(stream) from None
            after[stream] = position
        self._after = after
        return events

    def _event(self, position: str, fields: Mapping[str, str]) -> Event:
        """
        Raises:
            Unreadable: It is no event with a message.
        """
        try:
            with reading():
                data = fields["data"]
                if not (data.startswith("{") and data.endswith("}")):
                    raise ValueError("no message")
                return Event(fields["stream"], position, data, "final" in fields)
        except Unreadable as error:
            logger.warning(
                "event cannot be read", extra={"session": short_id(self._session_id), "reason": str(error)}
            )
            raise


class HttpSseReader(Reader):
    """Reads for a session's only connection (HTTP+SSE); no event of any stream may be missing.

    Args:
        name: The stream of the connection; it also carries those of the session's calls.
        after: The position of the last known event, of any stream.
    """

    def __init__(self, log: EventLog, session_id: str, name: str, after: str) -> None:
        super().__init__(log, session_id, {}, after)
        self._name = name

    def _wanted(self) -> Collection[str]:
        return self._name, HTTP_SSE_REPLY

    def _select(self, entries: Sequence[Entry]) -> list[Event]:
        read = self._scan_from
        with reading():
            for position, fields in entries:
                if order(fields["follows"]) > order(read):
                    raise EventsLost(fields["stream"])
                read = position
            return [
                self._event(position, fields)
                for position, fields in entries
                if fields["stream"] == self._name or is_http_sse_reply(fields["stream"])
            ]


class EventLog:
    """The event logs of all sessions."""

    def __init__(self, redis: Redis, directory: Directory) -> None:
        self._redis = redis
        self._directory = directory
        self._activity = directory.bus.activity
        self._take = redis.register_script(log_scripts.TAKE)
        self._append = redis.register_script(log_scripts.APPEND)
        self._read = redis.register_script(log_scripts.READ)
        self._release = redis.register_script(RELEASE)

    async def append(self, session_id: str, stream: str, message: dict[str, Any] | bytes) -> None:
        """Append a message to a stream or to `PENDING`, and wake the readers. Retries do not append it twice.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        data = message if isinstance(message, bytes) else to_json(message)
        addresses = await self._append(**_appending(session_id, stream, data))
        await self.wake(session_id, stream, addresses)

    async def notify(self, session_ids: Sequence[str], message: dict[str, Any]) -> None:
        """Append a message to `PENDING` of many sessions, and wake the readers of all together.

        What cannot be appended, as a key is damaged, is logged.

        Raises:
            Unavailable: Redis cannot be reached, or refuses some of it.
        """
        data = to_json(message)

        async def add(pipe: Pipeline, session_id: str) -> None:
            await self._append(**_appending(session_id, PENDING, data), client=pipe)

        for portion in portions(session_ids, _AT_ONCE):
            readers: dict[str, list[str]] = {self._directory.bus.address: []}
            for session_id, addresses in await in_portions(self._redis, portion, add):
                if isinstance(addresses, Exception):
                    facts = {"session": short_id(session_id), "reason": str(addresses)}
                    logger.warning("session cannot be notified", extra=facts)
                    continue
                for address in addresses:
                    readers.setdefault(address, []).append(session_id)
            for address, found in readers.items():
                if found:
                    if self._activity.watched:
                        for session_id in found:
                            self._activity.note("log.append", session=session_id, stream=shown(PENDING))
                            self._note_wake(session_id, [address])
                    await self._directory.bus.send(address, {"type": NOTIFIED, "sessions": found})

    async def wake(self, session_id: str, stream: str, addresses: list[str] | None = None) -> None:
        """Wake the readers of a stream, or of `PENDING`, in all processes.

        `addresses` are the processes with readers, if the script that appended has returned them.
        """
        message = {"type": APPENDED, "session": session_id, "stream": stream}
        if self._activity.watched:
            self._activity.note("log.append", session=session_id, stream=shown(stream))
            self._note_wake(session_id, addresses or ())
        if addresses is None:
            await self._directory.publish(message, keys.processes(session_id))
        else:
            await self._directory.bus.publish(addresses, message)

    def _note_wake(self, session_id: str, addresses: Sequence[str]) -> None:
        own = self._directory.bus.address
        if names := sorted({name_in(address) for address in addresses if address != own}):
            self._activity.note("wake.sent", session=session_id, to=names)

    async def end(self, session_id: str) -> str:
        """The position of the last event of any stream."""
        return await cast(Any, self._redis.hget(keys.tails(session_id), "newest")) or START

    async def can_replay(self, session_id: str, stream: str, after: str) -> Replay:
        """What the log has of a stream after a position. Reads it only up to the next event of the stream."""
        # Read the tail first: the reader then also sees what is appended in between.
        end, newest = await cast(Any, self._redis.hmget(keys.tails(session_id), [stream, "newest"]))
        # A call that has ended may have events without a tail.
        if end == after or (end is None and is_standalone(stream)):
            with reading():
                return Replay((end or START) == after, False, max(after, newest or START, key=order))
        reader = Reader(self, session_id, {stream: after})
        try:
            has_events = bool(await reader.read())
        except EventsLost:
            return Replay(False, True)
        return Replay(has_events or (end or START) == after, has_events, reader.read_before)

    async def is_whole(self, session_id: str, after: str) -> bool:
        """Whether a reader misses no event of any stream: none is trimmed, and `after` is not to come."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hget(keys.tails(session_id), "newest")
                pipe.xrange(keys.events(session_id), count=1)
                pipe.time()
                newest, oldest, (seconds, microseconds) = await pipe.execute()
            now = seconds * 1000 + microseconds // 1000
            with reading():
                if order(after) > max(order(newest or START), (now, 0)):
                    return False
                return order(oldest[0][1]["follows"] if oldest else newest or START) <= order(after)
        except Unreadable:
            return False

    async def is_over(self, session_id: str, stream: str, after: str) -> bool:
        """Whether the stream ended at a position: with the response, or because the call was cancelled."""
        if after == END:
            return True
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hget(keys.tails(session_id), stream)
            pipe.xrange(keys.events(session_id), min=after, max=after)
            end, there = await pipe.execute()
        return end == "cancelled" or any(
            fields.get("stream") == stream and "final" in fields for _, fields in there
        )

    async def page(self, session_id: str, after: str, streams: Collection[str]) -> tuple[list[Entry], bool]:
        """The next page of a log, and whether there may be more.

        It has the entries of all streams, but the data only of those whose names begin with one of `streams`.
        """
        args: list[str | int] = [after, _PAGE, _PAGE_BYTES, *streams]
        found, has_more = await self._read(keys=[keys.events(session_id)], args=args)
        entries = [(position, dict(zip(parts[::2], parts[1::2], strict=True))) for position, parts in found]
        return entries, bool(has_more)

    async def running(self, session_id: str) -> list[str]:
        """The streams of the session's calls that are registered in Redis."""
        return cast("list[str]", await cast(Any, self._redis.hkeys(keys.calls(session_id))))

    async def take(self, session_id: str, stream: str, holder: str, *, take_over: bool = False) -> bool:
        """Move pending messages onto a standalone stream. Returns False if another stream holds the claim.

        Moves at most one page, so that the log is not trimmed before it is read. The claim expires after a
        few keep-alives, so that another stream can succeed one whose process died.

        Args:
            holder: Identifies the connection: a stream that is being resumed briefly has two.
            take_over: Whether to take the claim from the current holder.
        """
        names = (keys.claim, keys.pending, keys.events, keys.tails)
        seconds = int(conf.keep_alive_seconds * 3) + 1
        args: list[str | int] = [stream, holder, seconds, int(take_over), *limits(), _PAGE, _PAGE_BYTES]
        dropped = await self._take(keys=[name(session_id) for name in names], args=args)
        if dropped:
            logger.warning(
                "pending messages cannot be read; dropping them",
                extra={"session": short_id(session_id), "messages": dropped},
            )
        return dropped is not None

    async def release(self, session_id: str, holder: str) -> None:
        """Release the claim, so that another stream can take it."""
        await self._release(keys=[keys.claim(session_id)], args=[holder])
