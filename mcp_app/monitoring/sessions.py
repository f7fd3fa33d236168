"""Live sessions for operators, read from Redis.

It is synchronous, for management commands and the admin, needs no running server, and is read-only.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from redis import Redis

from mcp_app.conf import conf
from mcp_app.coordination.connection import client_options, reaching_redis
from mcp_app.coordination.keys import open_streams
from mcp_app.exceptions import Unreadable, reading
from mcp_app.ids import short_id
from mcp_app.protocol.personal import Person
from mcp_app.sessions import keys
from mcp_app.sessions.record import SessionRecord

_PAGE = 500
"""Keys per step of a scan; Redis serves other clients in between."""

_WIDEST = 40
"""How many characters of a name are shown."""

_BEGINNING = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Session:
    """One live session, as operators see it.

    Attributes:
        idle_seconds: Since its use was last recorded, which happens every few seconds only; None if longer
            than `MCP_SESSION_IDLE_SECONDS`, and in the last minutes before the session's maximum age.
        streams: Open event streams in all processes, as of a few seconds ago.
        calls: Running calls with event streams. Quick calls are not in Redis.
        client: The client's id.
        client_name: The name that the client chose; empty if unknown.
    """

    id: str = field(repr=False)
    user: str
    client: str
    client_name: str
    revision: str
    age_seconds: int
    idle_seconds: int | None
    streams: int
    subscriptions: int
    calls: int

    @property
    def shown(self) -> str:
        return short_id(self.id)

    def to_json(self) -> dict[str, Any]:
        """The session with its id shortened."""
        return asdict(self) | {"id": self.shown}


@dataclass(frozen=True)
class Listing:
    """Sessions, newest first, and whether these are all."""

    sessions: list[Session]
    is_complete: bool


def printable(text: str) -> str:
    """A name that somebody chose, safe to show: on one line, without direction marks, of limited length."""
    characters = "".join(letter if letter.isprintable() else "?" for letter in text)
    return characters if len(characters) <= _WIDEST else characters[: _WIDEST - 1] + "…"


@contextmanager
def connected() -> Iterator[Redis]:
    """A temporary, synchronous connection to Redis, with time-outs.

    Raises:
        Unavailable: Redis cannot be reached.
    """
    redis = Redis.from_url(conf.redis_url, **client_options())
    try:
        with reaching_redis:
            yield redis
    finally:
        redis.close()


def live_sessions(redis: Redis, *, limit: int, user: str | None = None, client: str | None = None) -> Listing:
    """The live sessions, optionally of one user or client only.

    Args:
        limit: The maximum number of sessions. If there are more, the choice is arbitrary.
        user: A user name.
        client: An OAuth client id, or the name of a client.
    """
    streams = _streams(redis)
    found: list[Session] = []
    for page in _pages(redis, keys.record("*")):
        for session in _read(redis, page, streams):
            if user not in (None, session.user):
                continue
            if client not in (None, session.client, session.client_name):
                continue
            if len(found) == limit:
                return Listing(_newest_first(found), is_complete=False)
            found.append(session)
    return Listing(_newest_first(found), is_complete=True)


def read(redis: Redis, session_ids: list[str]) -> list[Session]:
    """The sessions among these that still exist, without the number of streams."""
    return list(_read(redis, [keys.record(session_id) for session_id in session_ids], Counter()))


def sessions_of(redis: Redis, issuer: str, subject: str) -> list[Session]:
    """The live sessions of one person with all clients, without the number of streams."""
    index = keys.sessions_of_person(Person(issuer, subject).key)
    return read(redis, cast("list[str]", redis.zrange(index, 0, -1)))


def matching(redis: Redis, beginning: str) -> list[str]:
    """The ids of the live sessions that start with this prefix."""
    if not _BEGINNING.fullmatch(beginning):
        return []
    return [_session_id(key) for page in _pages(redis, keys.record(f"{beginning}*")) for key in page]


def all_ids(redis: Redis) -> Iterator[str]:
    """The ids of all live sessions."""
    return (_session_id(key) for page in _pages(redis, keys.record("*")) for key in page)


def _pages(redis: Redis, pattern: str) -> Iterator[list[str]]:
    """The matching keys in pages, without the duplicates that a scan may return."""
    seen: set[str] = set()
    cursor = 0
    while True:
        cursor, page = cast("tuple[int, list[str]]", redis.scan(cursor, match=pattern, count=_PAGE))
        if new := [key for key in dict.fromkeys(page) if key not in seen]:
            seen.update(new)
            yield new
        if cursor == 0:
            return


def _read(redis: Redis, record_keys: list[str], streams: Counter[str]) -> Iterator[Session]:
    """The sessions of these records, without those that have ended."""
    now = time.time()
    with redis.pipeline(transaction=False) as pipe:
        for key in record_keys:
            pipe.hgetall(key)
            pipe.pttl(keys.owner(_session_id(key)))
            pipe.hlen(keys.calls(_session_id(key)))
        replies = pipe.execute(raise_on_error=False)
    for key, fields, remaining, calls in zip(
        record_keys, replies[0::3], replies[1::3], replies[2::3], strict=True
    ):
        if not fields or isinstance(fields, Exception):
            continue
        try:
            record = SessionRecord.from_fields(_session_id(key), fields)
        except Unreadable:
            continue
        yield Session(
            id=record.id,
            user=record.user,
            client=record.client,
            client_name=record.client_name,
            revision=record.protocol_version,
            age_seconds=max(0, int(now - record.created_at)),
            idle_seconds=_idle(record, now, remaining / 1000),
            streams=streams[record.id],
            subscriptions=len(record.subscriptions),
            calls=calls if isinstance(calls, int) else 0,
        )


def _idle(record: SessionRecord, now: float, remaining: float) -> int | None:
    """Derive the idle time from the TTL: use sets it to `session_idle_seconds`, up to the maximum age."""
    if remaining < 0 or now + remaining >= record.created_at + conf.session_max_seconds - 1:
        return None
    return max(0, int(conf.session_idle_seconds - remaining))


def _streams(redis: Redis) -> Counter[str]:
    """The numbers of open streams by session, as last published by the processes."""
    counts: Counter[str] = Counter()
    for page in _pages(redis, open_streams("*")):
        for key in page:  # one by one: each is in a different slot
            with suppress(Unreadable), reaching_redis, reading():
                for session_id, count in cast("dict[str, str]", redis.hgetall(key)).items():
                    counts[session_id] += int(count)
    return counts


def _session_id(record_key: str) -> str:
    return record_key[record_key.index("{") + 1 : record_key.rindex("}")]


def _newest_first(sessions: list[Session]) -> list[Session]:
    return sorted(sessions, key=lambda session: session.age_seconds)
