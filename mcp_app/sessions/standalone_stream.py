"""Streams that belong to no call: GET streams, and the stream of an HTTP+SSE session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from mcp_app.conf import conf
from mcp_app.exceptions import Unavailable
from mcp_app.sessions.event_log import EventLog, HttpSseReader, Reader
from mcp_app.sessions.event_stream import EventStream, RecoverIfLost
from mcp_app.sessions.events import PENDING, START, is_http_sse_reply
from mcp_app.sessions.listening_work import ListeningSession, ListeningWork, Work
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import SessionStore
from mcp_app.sessions.subscribers import Subscribers


class StandaloneStream(EventStream):
    """A GET stream: it carries the messages of the session that belong to no call.

    A session may have several. One of them holds the claim to pending messages: the newest, or another after
    that has closed. Background work for the session runs with the stream that holds the claim, and thus once.

    Args:
        after: The position of the last event that the client has.
        background_work: What to run while it holds the claim.
        resumed: Whether the client resumes an earlier stream.
        scan_from: A position before which the log has no later event of the stream.
    """

    listens = True

    def __init__(
        self,
        record: SessionRecord,
        name: str,
        after: str,
        log: EventLog,
        sessions: SessionStore,
        subscribers: Subscribers,
        background_work: Sequence[Work],
        *,
        resumed: bool,
        scan_from: str = START,
    ) -> None:
        super().__init__(record, {name}, Reader(log, record.id, {name: after}, scan_from), resumed=resumed)
        self.holds_claim = False
        self._name = name
        self._log = log
        self._sessions = sessions
        self._subscribers = subscribers
        self._work = ListeningWork(ListeningSession(self, sessions.data(record)), background_work)
        self._skips = not resumed
        self._holder = f"{name}/{self.id}"
        self._renewed_at = time.monotonic()
        self._taking: set[asyncio.Task[bool]] = set()
        """Commands that may take the claim."""
        self._has_left = False

    def is_woken_by(self, stream: str) -> bool:
        return stream == PENDING or self.carries(stream)

    async def begin(self) -> None:
        """Take the claim from its current holder.

        Only here: once the client has seen this stream's first bytes it may open another, which then takes
        the claim. A stream that fails to take it here gets it when no other stream holds it.
        """
        await self._subscribers.join(self.session_id)
        if self._skips:
            await self._reader.skip()  # this stream has no earlier events
        await self._take(take_over=True)

    async def leave(self) -> None:
        self._has_left = True
        self._work.update(False)
        if self._taking:
            await asyncio.wait(self._taking)  # Redis may run what was cancelled after the claim was released
        try:
            await self._log.release(self.session_id, self._holder)
        except Unavailable:
            return  # the claim expires by itself
        await self._log.wake(self.session_id, PENDING)

    async def _take(self, *, take_over: bool) -> None:
        taking = asyncio.create_task(
            self._log.take(self.session_id, self._name, self._holder, take_over=take_over)
        )
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)
        self.holds_claim = await asyncio.shield(taking)
        self._work.update(self.holds_claim)

    async def send(self, message: Mapping[str, Any]) -> None:
        if self._has_left:
            return
        await self._take(take_over=False)  # another stream may have taken the claim
        if self.holds_claim:
            await self._log.append(self.session_id, self._name, dict(message))

    async def _renew(self) -> bool:
        """Reload the record; close the stream if the session has ended."""
        self.outdated = False
        record = await self._sessions.renew(self.session_id)
        if record is None:
            self.close()
            return False
        self.record = record
        self._renewed_at = time.monotonic()
        await self._subscribers.join(self.session_id)
        return True

    async def _tick(self) -> None:
        now = time.monotonic()
        if (self.outdated or now - self._renewed_at >= conf.keep_alive_seconds) and not await self._renew():
            return
        await self._take(take_over=False)


class HttpSseStream(StandaloneStream):
    """The only stream of an HTTP+SSE session: it also carries the responses to calls, and recovers lost ones.

    Args:
        after: The position of the last event that the client has, of any stream.
        recover_if_lost: Recovers calls whose process died.
    """

    def __init__(
        self,
        record: SessionRecord,
        name: str,
        after: str,
        log: EventLog,
        sessions: SessionStore,
        subscribers: Subscribers,
        background_work: Sequence[Work],
        recover_if_lost: RecoverIfLost,
    ) -> None:
        super().__init__(record, name, after, log, sessions, subscribers, background_work, resumed=True)
        self._reader = HttpSseReader(log, record.id, name, after)
        self._recover_if_lost = recover_if_lost
        self._checked_at = time.monotonic()

    def carries(self, stream: str) -> bool:
        return stream == self._name or is_http_sse_reply(stream)

    async def _abandon(self) -> None:
        # Its client would resume the stream again and again; without a session it opens another.
        with suppress(Unavailable):
            await self._sessions.end(self.session_id)
        self.close()

    async def _tick(self) -> None:
        now = time.monotonic()
        if now - self._checked_at >= conf.lease_seconds:
            self._checked_at = now
            for stream in await self._log.running(self.session_id):
                if is_http_sse_reply(stream):
                    await self._recover_if_lost(self.record, stream)
        await super()._tick()
