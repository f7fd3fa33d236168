"""What one person holds over all their sessions and processes: known, bounded, and free again."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from mcp_app.coordination import held
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.directory import Directory
from mcp_app.exceptions import Store, Unavailable
from mcp_app.protocol.session_features import TooMuchData
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import EventLog
from mcp_app.sessions.events import PENDING
from mcp_app.sessions.held import SESSIONS, TooMuchHeld
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import RequestSession, SessionStore
from tests.support.parts import make_record

LIMIT = 1_600_000
STEP = LIMIT // 16
MESSAGE = b'"' + b"x" * 39_998 + b'"'

Open = Callable[[], Awaitable[SessionRecord]]


@pytest.fixture(autouse=True)
def small_limit(settings: Any) -> None:
    settings.MCP_MAX_HELD_BYTES = LIMIT


@pytest.fixture
def open_session(store: SessionStore) -> Open:
    """Opens sessions of one new person."""
    owner = json.dumps(["client", None, secrets.token_hex(8)])

    async def open_one() -> SessionRecord:
        record = make_record(owner=owner)
        await store.create(record)
        return record

    return open_one


@pytest.fixture
def log(redis: Redis, bus: Bus) -> EventLog:
    return EventLog(redis, Directory(redis, bus))


async def _write(at: held.HeldBytes, log: EventLog, record: SessionRecord) -> bool:
    """Append one message; returns whether there was room."""
    try:
        async with at.reserve(record.person_key, len(MESSAGE)):
            await log.append(record.id, "r1", MESSAGE)
    except TooMuchHeld:
        return False
    return True


async def test_everything_that_grows_is_counted(
    store: SessionStore, redis: Redis, log: EventLog, open_session: Open
) -> None:
    records = [await open_session() for _ in range(2)]
    before = await store.held.total(records[0].person_key)
    for record in records:
        await log.append(record.id, "r1", b"1" * 1000)
        await log.append(record.id, PENDING, b"2" * 1000)
        await redis.hset(keys.calls(record.id), "r1", "3" * 1000)
        await store.data(record).set("file", b"4" * 750)
        await RequestSession(store, record).subscribe("5" * 1000)
    grown = await store.held.total(records[0].person_key) - before
    assert 10_000 <= grown < 11_000
    await RequestSession(store, records[0]).unsubscribe("5" * 1000)
    assert await store.held.total(records[0].person_key) - before < grown - 1000
    for record in records:
        await store.end(record.id)
    assert await store.held.total(records[0].person_key) == 0


async def test_concurrent_writers_of_one_process_do_not_exceed_the_limit(
    store: SessionStore, log: EventLog, open_session: Open
) -> None:
    records = [await open_session() for _ in range(5)]
    written = await asyncio.gather(*(_write(store.held, log, records[n % 5]) for n in range(100)))
    total = await store.held.total(records[0].person_key)
    assert LIMIT - 3 * len(MESSAGE) < total <= LIMIT
    assert 0 < sum(written) < 100


async def test_several_processes_exceed_the_limit_at_most_by_a_step_and_a_message_each(
    store: SessionStore, redis: Redis, log: EventLog, open_session: Open
) -> None:
    records = [await open_session() for _ in range(5)]
    processes = [held.HeldBytes(redis, SESSIONS) for _ in range(4)]
    await asyncio.gather(*(_write(processes[n % 4], log, records[n % 5]) for n in range(200)))
    total = await store.held.total(records[0].person_key)
    assert total <= LIMIT + 3 * (STEP + len(MESSAGE))
    assert not any([await _write(process, log, records[0]) for process in processes])


async def test_there_is_room_again_when_a_session_has_ended_but_redis_is_not_asked_at_every_attempt(
    store: SessionStore, log: EventLog, open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, other = await open_session(), await open_session()
    while await _write(store.held, log, record):
        pass
    looks = 0
    total = store.held.total

    async def counted(person: str) -> int:
        nonlocal looks
        looks += 1
        return await total(person)

    monkeypatch.setattr(store.held, "total", counted)
    await store.end(record.id)
    monkeypatch.setattr(held, "LOOK_AGAIN_SECONDS", 1000.0)
    with pytest.raises(TooMuchHeld):
        await store.held.ensure(other.person_key)
    assert not await _write(store.held, log, other)
    assert looks == 0
    monkeypatch.setattr(held, "LOOK_AGAIN_SECONDS", 0.0)
    await store.held.ensure(other.person_key)
    assert await _write(store.held, log, other)
    assert looks >= 1


async def test_another_person_is_not_affected(store: SessionStore, log: EventLog, open_session: Open) -> None:
    record = await open_session()
    while await _write(store.held, log, record):
        pass
    another = make_record(owner=json.dumps(["client", None, secrets.token_hex(8)]))
    await store.create(another)
    assert await _write(store.held, log, another)
    await store.held.ensure(another.person_key)


async def test_a_tool_cannot_store_more_than_its_person_may_hold(
    store: SessionStore, open_session: Open
) -> None:
    first, second = await open_session(), await open_session()
    await store.data(first).set("a", b"x" * 1_000_000)
    with pytest.raises(TooMuchData, match="MCP_MAX_HELD_BYTES"):
        await store.data(second).set("b", b"x" * 1_000_000)
    await store.data(second).set("b", b"x" * 1000)


async def test_subscriptions_count_before_they_are_stored(
    store: SessionStore, open_session: Open, settings: Any
) -> None:
    settings.MCP_MAX_HELD_BYTES = 64 * 1024
    sessions = [RequestSession(store, await open_session()) for _ in range(2)]
    outcomes = [
        await asyncio.gather(sessions[n % 2].subscribe(f"{n:02000}"), return_exceptions=True)
        for n in range(40)
    ]
    assert "MCP_MAX_HELD_BYTES" in str(outcomes[-1][0])
    assert await store.held.total(sessions[0].record.person_key) <= 64 * 1024


async def test_a_write_that_waits_for_redis_keeps_nobody_else_waiting(
    store: SessionStore, open_session: Open
) -> None:
    person = (await open_session()).person_key
    async with (
        asyncio.timeout(10),
        store.held.reserve(person, LIMIT // 2),
        store.held.reserve(person, LIMIT // 4),
    ):
        await store.held.ensure(person)
        async with store.held.reserve(person, LIMIT // 4 - STEP // 2):
            with pytest.raises(TooMuchHeld):
                await store.held.ensure(person)


async def test_what_is_being_written_counts_before_redis_has_it(
    store: SessionStore, open_session: Open
) -> None:
    person = (await open_session()).person_key
    async with store.held.reserve(person, STEP // 2):
        with pytest.raises(TooMuchHeld):
            async with store.held.reserve(person, LIMIT - STEP // 4):
                pass


async def test_what_could_not_be_written_counts_only_until_the_next_look(
    store: SessionStore, open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "LOOK_AGAIN_SECONDS", 0.0)
    person = (await open_session()).person_key
    with pytest.raises(Unavailable):
        async with store.held.reserve(person, LIMIT // 2):
            raise Unavailable(Store.SESSIONS, "down")
    async with store.held.reserve(person, LIMIT - STEP):
        pass


async def test_during_an_outage_those_who_write_do_not_wait_for_redis_one_after_the_other(
    store: SessionStore, open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = (await open_session()).person_key
    looks = 0

    async def failing(person: str) -> int:
        nonlocal looks
        looks += 1
        raise Unavailable(Store.SESSIONS, "down")

    monkeypatch.setattr(store.held, "total", failing)
    monkeypatch.setattr(held, "LOOK_AGAIN_SECONDS", 1000.0)

    async def write() -> None:
        async with store.held.reserve(person, STEP + 1):
            pass

    await asyncio.gather(*(write() for _ in range(5)))
    assert looks == 1


async def test_what_is_known_of_people_is_bounded_again_when_their_writes_have_ended(
    store: SessionStore, settings: Any
) -> None:
    settings.MCP_CACHE_ENTRIES = 2
    async with AsyncExitStack() as writing:
        for n in range(6):
            await writing.enter_async_context(store.held.reserve(f"person {n}", STEP + 1))
    async with store.held.reserve("another", 1):
        assert len(store.held._accounts) == 2
