"""The overview: what operators see of the live sessions, read from Redis and from nowhere else.

It is synchronous, for management commands and the admin; it needs no running server and changes nothing.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from django.conf import settings
from redis import Redis

from mcp_app.conf import conf
from mcp_app.coordination.connection import reaching_redis
from mcp_app.coordination.keys import open_streams
from mcp_app.sessions import keys
from mcp_app.sessions.record import SessionRecord

_SHOWN = 8
"""How much of a session id is shown: enough to tell sessions apart, too little to use one."""

_PAGE = 500
"""How many keys one step of a scan looks at; Redis serves others between two steps."""

_BEGINNING = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Session:
    """One live session, as far as operators need to know it. Seconds are whole ones.

    Attributes:
        idle_seconds: Since Redis last heard of its use, which a process tells every few seconds only; None
            when it is longer than `MCP_SESSION_IDLE_SECONDS`, and in the last minutes before the session's
            absolute age.
        streams: Open event streams in all processes, a few seconds ago.
        calls: Running calls whose answer has become an event stream. Quick ones are not in Redis.
    """

    id: str = field(repr=False)
    user: str
    client: str
    revision: str
    age_seconds: int
    idle_seconds: int | None
    streams: int
    subscriptions: int
    calls: int

    @property
    def shown(self) -> str:
        return shown(self.id)

    def to_json(self) -> dict[str, Any]:
        """The session with its id shortened."""
        return asdict(self) | {"id": self.shown}


@dataclass(frozen=True)
class Listing:
    """Sessions, the newest first, and whether these are all."""

    sessions: list[Session]
    is_complete: bool


def shown(session_id: str) -> str:
    """A session id as people may see it."""
    return session_id[:_SHOWN]


@contextmanager
def connected() -> Iterator[Redis]:
    """A connection to Redis for one piece of synchronous work; every wait has a bound.

    Raises:
        Unavailable: Redis cannot be reached.
    """
    redis = Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=conf.redis_timeout_seconds,
        socket_connect_timeout=conf.redis_timeout_seconds,
        decode_responses=True,
    )
    try:
        with reaching_redis():
            yield redis
    finally:
        redis.close()


def live_sessions(redis: Redis, *, limit: int, user: str | None = None, client: str | None = None) -> Listing:
    """The live sessions, if asked for of one user or one client only.

    Args:
        redis: A client that decodes responses.
        limit: How many sessions to list at the most. Which of more than these are listed is chance.
        user: The name of their user.
        client: The id of their OAuth client.
    """
    streams = _streams(redis)
    found: list[Session] = []
    for page in _pages(redis, keys.record("*")):
        for session in _read(redis, page, streams):
            if user not in (None, session.user) or client not in (None, session.client):
                continue
            if len(found) == limit:
                return Listing(_newest_first(found), is_complete=False)
            found.append(session)
    return Listing(_newest_first(found), is_complete=True)


def read(redis: Redis, session_ids: list[str]) -> list[Session]:
    """These sessions, those of them that live. Their streams are not counted."""
    return list(_read(redis, [keys.record(session_id) for session_id in session_ids], Counter()))


def matching(redis: Redis, beginning: str) -> list[str]:
    """The ids of the live sessions that begin like this."""
    if not _BEGINNING.fullmatch(beginning):
        return []
    return [_session_id(key) for page in _pages(redis, keys.record(f"{beginning}*")) for key in page]


def all_ids(redis: Redis) -> Iterator[str]:
    """The ids of all live sessions."""
    return (_session_id(key) for page in _pages(redis, keys.record("*")) for key in page)


def _pages(redis: Redis, pattern: str) -> Iterator[list[str]]:
    """The keys that match, a page at a time and each once: a scan may return one twice."""
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
    """The sessions of these records; those that have ended meanwhile are left out."""
    now = time.time()
    with redis.pipeline(transaction=False) as pipe:
        for key in record_keys:
            pipe.hgetall(key)
            pipe.pttl(keys.owner(_session_id(key)))
            pipe.hlen(keys.calls(_session_id(key)))
        answers = pipe.execute()
    for key, fields, remaining, calls in zip(
        record_keys, answers[0::3], answers[1::3], answers[2::3], strict=True
    ):
        if not fields:
            continue
        try:
            record = SessionRecord.from_fields(_session_id(key), fields)
        except (KeyError, ValueError):
            continue  # of another release
        yield Session(
            id=record.id,
            user=record.user,
            client=record.client,
            revision=record.protocol_version,
            age_seconds=max(0, int(now - record.created_at)),
            idle_seconds=_idle(record, now, remaining / 1000),
            streams=streams[record.id],
            subscriptions=len(record.subscriptions),
            calls=calls,
        )


def _idle(record: SessionRecord, now: float, remaining: float) -> int | None:
    """Use gives a session `session_idle_seconds` more in use, unless the absolute age comes earlier."""
    if remaining < 0 or now + remaining >= record.created_at + conf.session_max_seconds - 1:
        return None
    return max(0, int(conf.session_idle_seconds - remaining))


def _streams(redis: Redis) -> Counter[str]:
    """How many streams are open, by session, as the processes last told."""
    counts: Counter[str] = Counter()
    for page in _pages(redis, open_streams("*")):
        for key in page:  # one by one: each is in a slot of its own
            for session_id, count in cast("dict[str, str]", redis.hgetall(key)).items():
                counts[session_id] += int(count)
    return counts


def _session_id(record_key: str) -> str:
    return record_key[record_key.index("{") + 1 : record_key.rindex("}")]


def _newest_first(sessions: list[Session]) -> list[Session]:
    return sorted(sessions, key=lambda session: session.age_seconds)
