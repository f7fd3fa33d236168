"""The notes of users: kept in the database, their changes announced through Redis to their users alone."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import connection, transaction
from django.utils.timezone import now
from redis.asyncio import Redis

from everything_site.demo.models import Note as Row
from everything_site.demo.notes import Note, TooManyNotes
from mcp_app.coordination.bus import Bus
from mcp_app.exceptions import Unavailable
from mcp_app.resources import Person
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import EventLog
from mcp_app.sessions.events import PENDING

logger = logging.getLogger(__name__)

LIST_CHANGED = "notes.changed"
NOTIFICATION = {"jsonrpc": "2.0", "method": "notifications/resources/list_changed"}

MAX_NOTES = 100
"""How many notes a user may have."""

MAX_READERS = 100
"""How many of a user's sessions hear of changes: the last ones that read the list."""

READERS_SECONDS = 24 * 60 * 60

_PATIENCE_SECONDS = 0.1
"""How long a call waits for its change to be told to others."""

Append = Callable[[str, str, dict[str, Any]], Awaitable[None]]
"""Appends a message to a stream of a session: (session id, stream, message)."""


class UserNotes:
    """The implementation of `everything_site.demo.notes.NoteStore`."""

    def __init__(self, redis: Redis, bus: Bus, append: Append | None = None) -> None:
        self._redis = redis
        self._bus = bus
        self._append = append or EventLog(redis, bus).append
        self._telling: set[asyncio.Task[None]] = set()
        self._watchers: dict[str, set[asyncio.Event]] = defaultdict(set)
        bus.on(LIST_CHANGED, self._on_list_changed)

    def space(self, person: Person) -> str:
        """It follows from SECRET_KEY: after a new one the same notes have new URIs."""
        text = f"{person.issuer}\0{person.subject}".encode()
        key = b"mcp note space " + settings.SECRET_KEY.encode()
        return hmac.new(key, text, hashlib.sha256).hexdigest()[:32]

    async def list(self, person: Person) -> Sequence[Note]:
        return await _in_database(lambda: [_note(row) for row in _rows(person)])

    async def get(self, person: Person, note_id: str) -> Note | None:
        if "\0" in note_id:  # a URI may hold it; PostgreSQL does not even look for it
            return None

        def get() -> Note | None:
            row = _rows(person).filter(note_id=note_id).first()
            return None if row is None else _note(row)

        return await _in_database(get)

    async def create(self, person: Person, title: str, text: str) -> Note:
        def create() -> Note:
            with _one_at_a_time(person):
                if _rows(person).count() >= MAX_NOTES:
                    raise TooManyNotes(f"{MAX_NOTES} are allowed")
                return _note(
                    Row.objects.create(issuer=person.issuer, subject=person.subject, title=title, text=text)
                )

        return await _in_database(create)

    async def edit(self, person: Person, note_id: str, title: str | None, text: str | None) -> Note | None:
        # What is not given is not written: somebody else may be changing that.
        given = {name: value for name, value in (("title", title), ("text", text)) if value is not None}
        await _in_database(lambda: _rows(person).filter(note_id=note_id).update(**given, updated=now()))
        return await self.get(person, note_id)

    async def delete(self, person: Person, note_id: str) -> bool:
        return await _in_database(lambda: bool(_rows(person).filter(note_id=note_id).delete()[0]))

    async def announce(self, person: Person) -> None:
        """Tell of a change that has been made: its answer does not wait long for that, nor fail by it."""
        telling = asyncio.create_task(self._announce_or_log(person))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)
        await asyncio.wait({telling}, timeout=_PATIENCE_SECONDS)

    async def _announce_or_log(self, person: Person) -> None:
        try:
            await self._announce(person)
        except Unavailable as error:
            logger.warning("a change of notes was not announced", extra={"reason": str(error)})

    async def _announce(self, person: Person) -> None:
        await self._bus.broadcast({"type": LIST_CHANGED, "user": self.space(person)})
        key = readers_key(self.space(person))
        readers = cast("list[str]", await self._redis.zrange(key, 0, -1))
        async with self._redis.pipeline(transaction=False) as pipe:
            for session_id in readers:
                pipe.exists(keys.record(session_id))  # to be told of a change is no use of a session
                pipe.exists(keys.owner(session_id))
            found = await pipe.execute()
        for session_id, lives, in_use in zip(readers, found[::2], found[1::2], strict=True):
            if in_use:
                await self._append(session_id, PENDING, NOTIFICATION)
            elif not lives:
                await self._redis.zrem(key, session_id)

    async def remember(self, person: Person, session_id: str) -> None:
        key = readers_key(self.space(person))
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(key, {session_id: time.time()})
            pipe.zremrangebyrank(key, 0, -MAX_READERS - 1)
            pipe.expire(key, READERS_SECONDS)
            await pipe.execute()

    @contextmanager
    def watch(self, person: Person) -> Iterator[asyncio.Event]:
        space, event = self.space(person), asyncio.Event()
        self._watchers[space].add(event)
        try:
            yield event
        finally:
            self._watchers[space].discard(event)
            if not self._watchers[space]:
                del self._watchers[space]

    def _on_list_changed(self, message: dict[str, Any]) -> None:
        for event in self._watchers.get(message["user"], ()):
            event.set()


def readers_key(space: str) -> str:
    """Sorted set: the sessions (up to 2025-11-25) that read a user's list, by when they last did."""
    return f"mcp:readers:{{{space}}}"


def _rows(person: Person) -> Any:
    return Row.objects.of(person.issuer, person.subject)


@contextmanager
def _one_at_a_time(person: Person) -> Iterator[None]:
    """A transaction that has this user to itself, so that what it counts stays true until it ends.

    SQLite has one writer at a time, and begins with the lock (`transaction_mode` in the settings).
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            digest = hashlib.sha256(f"mcp notes {person.issuer}\0{person.subject}".encode()).digest()
            key = int.from_bytes(digest[:8], signed=True)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
        yield


def _note(row: Row) -> Note:
    return Note(number=row.pk, id=row.note_id, title=row.title, text=row.text, updated=row.updated)


async def _in_database(work: Callable[[], Any]) -> Any:
    # In any thread of the pool: one slow query must not hold up the others.
    return await database_sync_to_async(work, thread_sensitive=False)()
