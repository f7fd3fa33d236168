"""The event log: ids, order, the claim of a listener, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from redis.asyncio import Redis

from mcp_app.sessions import keys
from mcp_app.sessions.event_log import (
    PENDING,
    START,
    Event,
    EventLog,
    event_id,
    is_listener,
    new_listener_stream,
    new_reply_stream,
    parse_event_id,
)
from mcp_app.sessions.record import SessionRecord


@pytest.fixture
def log(redis: Redis) -> EventLog:
    return EventLog(redis)


async def _all_events(log: EventLog, session_id: str, stream: str) -> list[Event]:
    found: list[Event] = []
    while events := await log.read(session_id, stream, found[-1].place if found else START):
        found += events
    return found


def _numbers(events: list[Event]) -> list[int]:
    return [json.loads(event.data)["n"] for event in events]


def test_an_event_id_names_stream_and_place() -> None:
    for name in (new_reply_stream(), new_listener_stream()):
        assert parse_event_id(event_id(name, "1795-0")) == (name, "1795-0")
    assert [is_listener(new_reply_stream()), is_listener(new_listener_stream())] == [False, True]


NO_EVENT_IDS = (
    "",
    "_",
    "r_0-0",
    "r0123456789abcdef",
    "r0123456789abcdef_",
    "r0123456789abcdef_1",
    "x0123456789abcdef_1-0",
    "r0123456789abcdeg_1-0",
    "r0123456789abcdef_1-0\n",
    "r0123456789abcdef_-1-0",
    " r0123456789abcdef_1-0",
    "r0123456789abcdef_" + "9" * 20 + "-0",
    "r0123456789abcdef_\u0661-0",
)


@pytest.mark.parametrize("text", NO_EVENT_IDS)
def test_what_is_no_event_id_of_ours_is_none(text: str) -> None:
    assert parse_event_id(text) is None


async def test_events_of_one_stream_are_read_in_order_and_without_those_of_another(
    log: EventLog, record: SessionRecord
) -> None:
    for n in range(4):
        await log.append(record.id, "r1" if n % 2 else "r2", {"n": n})
    assert _numbers(await log.read(record.id, "r1", START)) == [1, 3]
    assert _numbers(await log.read(record.id, "r2", START)) == [0, 2]


async def test_reading_after_a_place_leaves_out_what_was_read(log: EventLog, record: SessionRecord) -> None:
    for n in range(3):
        await log.append(record.id, "r1", {"n": n})
    first, *_ = await log.read(record.id, "r1", START)
    assert _numbers(await log.read(record.id, "r1", first.place)) == [1, 2]


async def test_a_place_is_held_by_its_own_stream_and_session_only(
    log: EventLog, record: SessionRecord
) -> None:
    await log.append(record.id, "r1", {"n": 1})
    [event] = await log.read(record.id, "r1", START)
    assert await log.holds(record.id, "r1", event.place)
    assert not await log.holds(record.id, "r2", event.place)
    assert not await log.holds("another", "r1", event.place)
    assert not await log.holds(record.id, "r1", "1-0")


async def test_a_long_log_is_read_in_pieces_past_those_that_hold_nothing_of_the_stream(
    log: EventLog, record: SessionRecord
) -> None:
    for n in range(300):
        await log.append(record.id, "r1" if n < 150 else "r2", {"n": n})
    first = await log.read(record.id, "r1", START)
    assert 0 < len(first) < 150
    assert _numbers(await _all_events(log, record.id, "r1")) == list(range(150))
    assert _numbers(await _all_events(log, record.id, "r2")) == list(range(150, 300))
    assert await log.read(record.id, "r3", START) == []


async def test_who_reads_on_is_not_told_again_what_was_of_no_concern(
    log: EventLog, redis: Redis, record: SessionRecord
) -> None:
    for n in range(120):
        await log.append(record.id, "r1", {"n": n})
    nothing, place = await log.read_on(record.id, "g1", START)
    assert nothing == []
    assert place == (await redis.xinfo_stream(keys.events(record.id)))["last-generated-id"]
    await log.append(record.id, "g1", {"n": 120})
    events, place = await log.read_on(record.id, "g1", place)
    assert _numbers(events) == [120]
    assert await log.read_on(record.id, "g1", place) == ([], place)


async def test_the_log_is_capped_and_expires(
    log: EventLog, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_EVENT_LOG_LENGTH = 50
    for n in range(400):
        await log.append(record.id, "r1", {"n": n})
    events = await _all_events(log, record.id, "r1")
    assert 50 <= len(events) < 300  # Redis trims whole nodes of a hundred or so
    assert _numbers(events)[-1] == 399
    assert 0 < await redis.ttl(keys.events(record.id)) <= 300


async def test_a_message_with_line_breaks_stays_on_one_line(log: EventLog, record: SessionRecord) -> None:
    await log.append(record.id, "r1", {"n": "a\nb\r\nc\u2028d"})
    [event] = await log.read(record.id, "r1", START)
    assert "\n" not in event.data
    assert "\r" not in event.data
    assert json.loads(event.data) == {"n": "a\nb\r\nc\u2028d"}


async def test_the_first_listener_takes_what_is_pending_and_the_second_gets_nothing(
    log: EventLog, redis: Redis, record: SessionRecord
) -> None:
    for n in range(3):
        await log.append(record.id, PENDING, {"n": n})
    assert 0 < await redis.ttl(keys.pending(record.id)) <= 300
    assert await log.take(record.id, "g1")
    assert not await log.take(record.id, "g2")
    assert _numbers(await log.read(record.id, "g1", START)) == [0, 1, 2]
    assert await log.read(record.id, "g2", START) == []
    assert not await redis.exists(keys.pending(record.id))
    assert 0 < await redis.ttl(keys.events(record.id)) <= 300


async def test_a_new_listener_takes_over_and_an_old_one_cannot_release_what_it_lost(
    log: EventLog, record: SessionRecord
) -> None:
    assert await log.take(record.id, "g1")
    assert await log.take(record.id, "g2", take_over=True)
    assert not await log.take(record.id, "g1")
    await log.release(record.id, "g1")
    assert not await log.take(record.id, "g1")
    await log.release(record.id, "g2")
    assert await log.take(record.id, "g1")


async def test_a_claim_lasts_for_a_few_keep_alives(
    log: EventLog, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_KEEP_ALIVE_SECONDS = 10.0
    await log.take(record.id, "g1")
    assert 10 < await redis.ttl(keys.listener(record.id)) <= 31


async def test_only_the_listener_that_holds_the_claim_can_be_told(
    log: EventLog, redis: Redis, record: SessionRecord
) -> None:
    assert not await log.tell(record.id, "g1", {"n": 0})
    await log.take(record.id, "g1")
    assert await log.tell(record.id, "g1", {"n": 1})
    assert not await log.tell(record.id, "g2", {"n": 2})
    assert _numbers(await log.read(record.id, "g1", START)) == [1]
    assert await log.read(record.id, "g2", START) == []
    assert 0 < await redis.ttl(keys.events(record.id)) <= 300


def test_all_keys_of_a_session_lie_in_one_slot_of_a_cluster() -> None:
    from redis.crc import key_slot

    names = [*keys.of_session("abc"), keys.lease("abc", "r1"), keys.answer("abc", "p/1")]
    assert len({key_slot(name.encode()) for name in names}) == 1
    assert len(set(names)) == len(names)
