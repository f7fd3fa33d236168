"""The event log: ids, order, the claim of a listener, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from redis.asyncio import Redis

from mcp_app.coordination.bus import Bus
from mcp_app.coordination.directory import Directory
from mcp_app.sessions import event_log, keys
from mcp_app.sessions.event_log import EventLog, EventsLost, HttpSseReader, Reader
from mcp_app.sessions.events import (
    PENDING,
    START,
    Event,
    event_id,
    is_standalone,
    is_standalone_of,
    new_reply_stream,
    new_standalone_stream,
    parse_event_id,
)
from mcp_app.sessions.record import SessionRecord


@pytest.fixture
def log(redis: Redis, bus: Bus) -> EventLog:
    return EventLog(redis, Directory(redis, bus))


async def _all_events(log: EventLog, session_id: str, stream: str, after: str = START) -> list[Event]:
    reader = Reader(log, session_id, {stream: after})
    found: list[Event] = []
    while events := await reader.read():
        found += events
    return found


def _numbers(events: list[Event]) -> list[int]:
    return [json.loads(event.data)["n"] for event in events]


def test_an_event_id_names_stream_and_position() -> None:
    for name in (new_reply_stream(), new_standalone_stream("s")):
        assert parse_event_id(event_id(name, "1795-0")) == (name, "1795-0")
    assert [is_standalone(new_reply_stream()), is_standalone(new_standalone_stream("s"))] == [False, True]


def test_the_id_of_a_get_stream_is_valid_only_in_its_session() -> None:
    name = new_standalone_stream("s")
    forged = name[:-1] + ("0" if name[-1] != "0" else "1")
    candidates = (("s", name), ("t", name), ("s", forged), ("s", "g" + "0" * 16), ("s", new_reply_stream()))
    assert [is_standalone_of(*candidate) for candidate in candidates] == [True, False, False, False, False]


def test_the_id_of_a_get_stream_remains_valid_after_a_key_rotation(settings: Any) -> None:
    name = new_standalone_stream("s")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another" * 10
    assert is_standalone_of("s", name)
    settings.SECRET_KEY_FALLBACKS = []
    assert not is_standalone_of("s", name)


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
def test_a_foreign_event_id_is_not_parsed(text: str) -> None:
    assert parse_event_id(text) is None


async def test_events_of_one_stream_are_read_in_order_and_without_those_of_another(
    log: EventLog, record: SessionRecord
) -> None:
    for n in range(4):
        await log.append(record.id, "r1" if n % 2 else "r2", {"n": n})
    assert _numbers(await _all_events(log, record.id, "r1")) == [1, 3]
    assert _numbers(await _all_events(log, record.id, "r2")) == [0, 2]


async def test_reading_after_a_place_leaves_out_what_was_read(log: EventLog, record: SessionRecord) -> None:
    for n in range(3):
        await log.append(record.id, "r1", {"n": n})
    first, *_ = await _all_events(log, record.id, "r1")
    assert _numbers(await _all_events(log, record.id, "r1", first.position)) == [1, 2]


async def test_only_later_events_of_the_same_stream_and_session_can_be_replayed(
    log: EventLog, record: SessionRecord
) -> None:
    for n in range(2):
        await log.append(record.id, "r1", {"n": n})
    first, last = await _all_events(log, record.id, "r1")
    assert (await log.can_replay(record.id, "r1", START))[:2] == (True, True)
    assert (await log.can_replay(record.id, "r1", first.position))[:2] == (True, True)
    assert (await log.can_replay(record.id, "r1", last.position))[:2] == (True, False)
    assert (await log.can_replay(record.id, "r2", START))[:2] == (True, False)
    assert (await log.can_replay(record.id, "r2", last.position))[:2] == (False, False)
    assert (await log.can_replay("another", "r1", last.position))[:2] == (False, False)
    assert (await log.can_replay(record.id, "r1", "1-0"))[:2] == (False, True)


async def test_a_stream_that_lost_events_to_the_cap_is_not_replayed_in_part(
    log: EventLog, redis: Redis, record: SessionRecord
) -> None:
    for n in range(3):
        await log.append(record.id, "r1", {"n": n})
    first, second, third = await _all_events(log, record.id, "r1")
    waiting = Reader(log, record.id, {"r1": first.position})
    await redis.xtrim(keys.events(record.id), minid=third.position, approximate=False)
    for position in (START, first.position):
        assert (await log.can_replay(record.id, "r1", position))[:2] == (False, True)
        with pytest.raises(EventsLost):
            await Reader(log, record.id, {"r1": position}).read()
    with pytest.raises(EventsLost):
        await waiting.read()
    # Of what followed the second nothing is lost, although that itself is.
    assert (await log.can_replay(record.id, "r1", second.position))[:2] == (True, True)
    assert _numbers(await _all_events(log, record.id, "r1", second.position)) == [2]


async def test_a_noisy_call_pushes_out_only_what_the_client_of_another_has_seen(
    log: EventLog, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_EVENT_LOG_LENGTH = 50
    await log.append(record.id, "r1", {"n": 0})
    [seen] = await _all_events(log, record.id, "r1")
    for n in range(300):
        await log.append(record.id, "r2", {"n": n})
    assert (await log.can_replay(record.id, "r1", seen.position))[:2] == (True, False)
    await log.append(record.id, "r1", {"n": 1})
    assert _numbers(await _all_events(log, record.id, "r1", seen.position)) == [1]


async def test_a_reader_of_several_streams_continues_with_the_others_when_one_lost_events(
    log: EventLog, redis: Redis, record: SessionRecord
) -> None:
    for stream in ("r1", "r1", "r2"):
        await log.append(record.id, stream, {"n": 0})
    _, second = await _all_events(log, record.id, "r1")
    await redis.xtrim(keys.events(record.id), minid=second.position, approximate=False)
    reader = Reader(log, record.id, {"r1": START, "r2": START})
    with pytest.raises(EventsLost) as lost:
        await reader.read()
    assert lost.value.stream == "r1"
    await log.append(record.id, "r1", {"n": 1})
    await log.append(record.id, "r2", {"n": 1})
    assert [(event.stream, *_numbers([event])) for event in await reader.read()] == [("r2", 0), ("r2", 1)]


async def test_a_reader_of_the_whole_log_notices_any_gap(
    log: EventLog, redis: Redis, record: SessionRecord
) -> None:
    assert await log.is_whole(record.id, START)
    for n, stream in enumerate(("s1", "s2", "s3")):
        await log.append(record.id, stream, {"n": n})
    events = await HttpSseReader(log, record.id, "g1", START).read()
    assert _numbers(events) == [0, 1, 2]
    first, second, third = [event.position for event in events]
    waiting = HttpSseReader(log, record.id, "g1", START)
    await redis.xtrim(keys.events(record.id), minid=third, approximate=False)
    whole = [await log.is_whole(record.id, position) for position in (START, first, second, third)]
    assert whole == [False, False, True, True]
    with pytest.raises(EventsLost):
        await waiting.read()
    assert _numbers(await HttpSseReader(log, record.id, "g1", second).read()) == [2]


async def test_ends_of_streams_without_remaining_events_are_deleted(
    log: EventLog, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_EVENT_LOG_LENGTH = 10
    for n in range(400):
        await log.append(record.id, f"r{n}", {"n": n})
    assert await redis.hlen(keys.tails(record.id)) < 200
    assert _numbers(await _all_events(log, record.id, "r399")) == [399]


async def test_a_long_log_is_read_in_batches_even_if_some_have_nothing_of_the_stream(
    log: EventLog, record: SessionRecord
) -> None:
    for n in range(300):
        await log.append(record.id, "r1" if n < 150 else "r2", {"n": n})
    first = await Reader(log, record.id, {"r1": START}).read()
    assert 0 < len(first) < 150
    assert _numbers(await _all_events(log, record.id, "r1")) == list(range(150))
    assert _numbers(await _all_events(log, record.id, "r2")) == list(range(150, 300))
    assert await _all_events(log, record.id, "r3") == []


async def test_a_new_stream_does_not_scan_older_entries(
    log: EventLog, redis: Redis, record: SessionRecord
) -> None:
    assert await log.end(record.id) == START
    for n in range(120):
        await log.append(record.id, "r1", {"n": n})
    reader = Reader(log, record.id, {"g1": START}, await log.end(record.id))
    assert await reader.read() == []
    await log.append(record.id, "g1", {"n": 120})
    await redis.xtrim(keys.events(record.id), maxlen=1, approximate=False)
    assert _numbers(await reader.read()) == [120]
    assert await reader.read() == []


async def test_the_log_is_capped_and_expires(
    log: EventLog, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_EVENT_LOG_LENGTH = 50
    for n in range(400):
        await log.append(record.id, "r1", {"n": n})
    kept: Any = await redis.xrange(keys.events(record.id))
    assert 50 <= len(kept) < 300  # Redis trims whole nodes of a hundred or so
    assert json.loads(kept[-1][1]["data"]) == {"n": 399}
    for key in (keys.events, keys.tails, keys.appended):
        assert 0 < await redis.ttl(key(record.id)) <= 300


async def test_nothing_of_a_log_outlives_a_session_that_is_left_alone(
    log: EventLog, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_SESSION_IDLE_SECONDS = 5
    await log.append(record.id, "r1", {"n": 1})
    await log.append(record.id, PENDING, {"n": 2})
    for key in (keys.events, keys.tails, keys.appended, keys.pending):
        assert 0 < await redis.ttl(key(record.id)) <= 5


async def test_the_log_is_capped_in_bytes_but_always_keeps_the_newest_message(
    log: EventLog, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_EVENT_LOG_BYTES = 10_000

    async def size() -> int:
        entries: Any = await redis.xrange(keys.events(record.id))
        return sum(len(fields["data"]) for _, fields in entries)

    for n in range(100):
        await log.append(record.id, "r1", {"n": n, "text": "x" * 1000})
        assert await size() <= 10_000
    assert await size() > 4_000
    await log.append(record.id, "r1", {"n": 100, "text": "x" * 20_000})
    kept: Any = await redis.xrange(keys.events(record.id))
    assert [json.loads(fields["data"])["n"] for _, fields in kept] == [100]
    with pytest.raises(EventsLost):
        await _all_events(log, record.id, "r1")


async def test_pending_messages_are_capped_in_bytes(
    log: EventLog, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_EVENT_LOG_BYTES = 50_000
    for n in range(50):
        await log.append(record.id, PENDING, {"n": n, "text": "x" * 10_000})
    kept: Any = await redis.xrange(keys.pending(record.id))
    assert sum(len(fields["data"]) for _, fields in kept) <= 50_000
    assert json.loads(kept[-1][1]["data"])["n"] == 49


async def test_a_full_log_makes_room_for_a_message_and_no_more(
    log: EventLog, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_EVENT_LOG_BYTES = 10_000
    for n in range(100):
        await log.append(record.id, "r1", {"n": n, "text": "x" * 900})
        kept: Any = await redis.xrange(keys.events(record.id))
        assert len(kept) == min(n + 1, 10)


@pytest.mark.parametrize("stream", ["r1", PENDING])
async def test_messages_of_falling_size_are_capped_in_bytes_as_well(
    log: EventLog, redis: Redis, record: SessionRecord, settings: Any, stream: str
) -> None:
    settings.MCP_EVENT_LOG_BYTES = 10_000
    for n in range(1, 60):
        await log.append(record.id, stream, {"text": "x" * (9_000 // n)})
    kept: Any = await redis.xrange(keys.pending(record.id) if stream == PENDING else keys.events(record.id))
    size = sum(len(fields["data"]) for _, fields in kept)
    assert size <= 10_000
    field = "pending" if stream == PENDING else "bytes"
    assert int(await redis.hget(keys.tails(record.id), field) or 0) == size


async def test_the_size_of_pending_messages_is_known_after_some_have_moved(
    log: EventLog, redis: Redis, record: SessionRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "_PAGE_BYTES", 1500)
    for _ in range(3):
        await log.append(record.id, PENDING, {"text": "x" * 989})
    sizes = []
    for _ in range(2):
        await log.take(record.id, "g1", "one")
        sizes.append(await redis.hmget(keys.tails(record.id), ["bytes", "pending"]))
    assert sizes == [["2000", "1000"], ["3000", None]]


async def test_a_page_of_a_log_is_bounded_in_bytes_and_has_no_data_of_other_streams(
    log: EventLog, record: SessionRecord
) -> None:
    half = {"text": "x" * 600_000}
    for stream in ("r1", "r2", "r1", "r1"):
        await log.append(record.id, stream, half)
    first, has_more = await log.page(record.id, START, ["r1"])
    assert [(fields["stream"], len(fields["data"]) > 600_000) for _, fields in first] == [
        ("r1", True),
        ("r2", False),
    ]
    assert has_more
    assert len(await _all_events(log, record.id, "r1")) == 3
    assert len(await _all_events(log, record.id, "r2")) == 1


async def test_a_resumption_without_later_events_does_not_read_the_log(
    log: EventLog, record: SessionRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.append(record.id, "r1", {"n": 1})
    [last] = await _all_events(log, record.id, "r1")
    await log.append(record.id, "r2", {"n": 2})
    end = await log.end(record.id)

    async def page(*args: Any) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(log, "page", page)
    assert await log.can_replay(record.id, "r1", last.position) == (True, False, end)
    assert await log.can_replay(record.id, new_standalone_stream(record.id), START) == (True, False, end)


async def test_a_resumption_is_read_from_the_page_with_the_next_event(
    log: EventLog, record: SessionRecord
) -> None:
    for n in range(120):
        await log.append(record.id, "r2", {"n": n})
    await log.append(record.id, "r1", {"n": 120})
    [event] = await _all_events(log, record.id, "r1")
    replay = await log.can_replay(record.id, "r1", START)
    assert replay[:2] == (True, True)
    between, _ = await log.page(record.id, replay.scan_from, ["r1"])
    assert event.position in [position for position, _ in between]


async def test_a_message_with_line_breaks_stays_on_one_line(log: EventLog, record: SessionRecord) -> None:
    await log.append(record.id, "r1", {"n": "a\nb\r\nc\u2028d"})
    [event] = await _all_events(log, record.id, "r1")
    assert "\n" not in event.data
    assert "\r" not in event.data
    assert json.loads(event.data) == {"n": "a\nb\r\nc\u2028d"}


async def test_the_first_listener_takes_what_is_pending_and_the_second_gets_nothing(
    log: EventLog, redis: Redis, record: SessionRecord
) -> None:
    for n in range(3):
        await log.append(record.id, PENDING, {"n": n})
    assert 0 < await redis.ttl(keys.pending(record.id)) <= 300
    assert await log.take(record.id, "g1", "one")
    assert not await log.take(record.id, "g2", "two")
    assert _numbers(await _all_events(log, record.id, "g1")) == [0, 1, 2]
    assert await _all_events(log, record.id, "g2") == []
    assert not await redis.exists(keys.pending(record.id))
    for key in (keys.events, keys.tails):
        assert 0 < await redis.ttl(key(record.id)) <= 300


async def test_moved_messages_are_capped_too(
    log: EventLog, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_EVENT_LOG_LENGTH = 50
    for n in range(400):
        await log.append(record.id, PENDING, {"n": n})
        await log.take(record.id, "g1", "one")
    assert await redis.xlen(keys.events(record.id)) < 300


async def test_many_pending_messages_are_moved_as_they_are_read(
    log: EventLog, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_EVENT_LOG_LENGTH = 300
    for n in range(350):
        await log.append(record.id, PENDING, {"n": n})
    reader = Reader(log, record.id, {"g1": START})
    heard: list[Event] = []
    while await log.take(record.id, "g1", "one") and (events := await reader.read()):
        heard += events
    assert len(heard) >= 300
    assert _numbers(heard) == list(range(350 - len(heard), 350)), "in order, and none left out in between"
    assert not await redis.exists(keys.pending(record.id))


async def test_a_new_listener_takes_over_and_an_old_one_cannot_release_what_it_lost(
    log: EventLog, record: SessionRecord
) -> None:
    assert await log.take(record.id, "g1", "one")
    # The same stream on another connection: its client came back before the first was known to be gone.
    assert await log.take(record.id, "g1", "two", take_over=True)
    assert not await log.take(record.id, "g1", "one")
    await log.release(record.id, "one")
    assert not await log.take(record.id, "g1", "one")
    await log.release(record.id, "two")
    assert await log.take(record.id, "g1", "one")


async def test_a_claim_lasts_for_a_few_keep_alives(
    log: EventLog, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_KEEP_ALIVE_SECONDS = 10.0
    await log.take(record.id, "g1", "one")
    assert 10 < await redis.ttl(keys.claim(record.id)) <= 31


def test_all_keys_of_a_session_lie_in_one_slot_of_a_cluster() -> None:
    from redis.crc import key_slot

    names = [*keys.of_session("abc"), keys.lease("abc", "r1"), keys.answer("abc", "p/1")]
    assert len({key_slot(name.encode()) for name in names}) == 1
    assert len(set(names)) == len(names)
