"""The messages of calls: once, in order, and only while the process holds the call."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from mcp_types import JSONRPCRequest
from redis.asyncio import Redis

from mcp_app.calls.registry import CallRegistry, Registration
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import connect
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.leases import Leases
from mcp_app.coordination.quotas import Quotas
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import APPENDED, EventLog, Reader
from mcp_app.sessions.events import START, Event
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import SessionStore
from mcp_app.sessions.streams import CLOSE, Streams
from mcp_app.sessions.subscribers import Subscribers
from tests.support.redis_relay import RedisRelay
from tests.support.waiting import eventually

STREAM = "r0123456789abcdef"

Process = Callable[[Redis], Awaitable[CallRegistry]]


@pytest.fixture
def process(open_bus: Callable[[], Awaitable[Bus]], store: SessionStore) -> Process:
    """Makes the registry of one more process."""

    async def make(redis: Redis) -> CallRegistry:
        bus = await open_bus()
        directory = Directory(redis, bus)
        log = EventLog(redis, directory)
        quotas = Quotas(redis, directory.bus)
        streams = Streams(log, directory, store, Subscribers(redis, log), quotas)
        return CallRegistry(redis, Leases(redis), directory, streams)

    return make


@pytest.fixture
def call(record: SessionRecord) -> Registration:
    request = JSONRPCRequest(jsonrpc="2.0", id=1, method="tools/call", params={"name": "x"})
    return Registration(record.id, STREAM, request)


def said(word: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": word}).encode()


async def words(redis: Redis, bus: Bus, call: Registration) -> list[str]:
    """What is in the log of a call's stream."""
    return [json.loads(event.data)["method"] for event in await events(redis, bus, call)]


async def events(redis: Redis, bus: Bus, call: Registration) -> list[Event]:
    return await Reader(EventLog(redis, Directory(redis, bus)), call.session_id, {call.stream: START}).read()


async def stands_still(redis: Redis, call: Registration) -> None:
    """Let a lease expire that its process does not renew."""
    await redis.delete(keys.lease(call.session_id, call.stream))


async def test_a_call_is_registered_with_its_first_message_and_removed_with_its_last(
    process: Process, redis: Redis, bus: Bus, call: Registration
) -> None:
    here = await process(redis)
    assert await here.write(call, said("first"), is_first=True) == START
    assert await here.find(call.session_id, call.stream) == call
    assert await redis.exists(keys.lease(call.session_id, call.stream))
    await here.write(call, said("second"))
    await here.write(call, said("answer"), is_final=True)
    assert await words(redis, bus, call) == ["first", "second", "answer"]
    assert [event.final for event in await events(redis, bus, call)] == [False, False, True]
    assert await here.find(call.session_id, call.stream) is None
    assert not await redis.exists(keys.lease(call.session_id, call.stream))


async def test_a_call_that_starts_without_messages_knows_the_end_of_the_log(
    process: Process, redis: Redis, bus: Bus, call: Registration
) -> None:
    here = await process(redis)
    earlier = replace(call, stream="rfedcba9876543210")
    await here.write(earlier, said("earlier"), is_first=True)
    [event] = await events(redis, bus, earlier)
    assert await here.write(call, None, is_first=True) == event.position
    assert await words(redis, bus, call) == []


async def test_a_stalled_process_writes_nothing_once_its_call_runs_elsewhere(
    process: Process, redis: Redis, bus: Bus, call: Registration
) -> None:
    here, there = await process(redis), await process(redis)
    await here.write(call, said("before"), is_first=True)
    await stands_still(redis, call)
    assert await there.take_over(call)
    assert await here.write(call, said("too early for the other")) is None
    await there.write(replace(call, losses=1), None, is_first=True)
    assert await here.write(call, said("too late")) is None
    assert await here.write(call, said("answer"), is_final=True) is None
    await there.write(call, said("after"))
    assert await words(redis, bus, call) == ["before", "after"]
    assert await there.find(call.session_id, call.stream) == replace(call, losses=1)


async def test_a_stalled_process_writes_nothing_even_if_its_successor_has_died_as_well(
    process: Process, redis: Redis, bus: Bus, call: Registration
) -> None:
    here, there = await process(redis), await process(redis)
    await here.write(call, None, is_first=True)
    await stands_still(redis, call)
    assert await there.take_over(call)
    await there.write(replace(call, losses=1), said("by the successor"), is_first=True)
    await stands_still(redis, call)
    assert await here.write(call, said("by the first")) is None
    assert await words(redis, bus, call) == ["by the successor"]


async def test_a_stalled_process_does_not_revive_the_lease_of_a_call_that_its_successor_has_lost_as_well(
    process: Process, redis: Redis, call: Registration
) -> None:
    here, there = await process(redis), await process(redis)
    await here.write(call, None, is_first=True)
    lost: list[str] = []
    lease = here.start_renewing(call, None, lambda: lost.append("here"))
    await stands_still(redis, call)
    await here.leases.renew([lease])
    assert await redis.exists(lease.key), "the call is still its own"
    await stands_still(redis, call)
    assert await there.take_over(call)
    await there.write(replace(call, losses=1), None, is_first=True)
    await stands_still(redis, call)
    await here.leases.renew([lease])
    assert lost == ["here"]
    assert not await redis.exists(lease.key), "the next reader can recover the call"


async def test_nothing_is_written_for_a_call_that_was_settled(
    process: Process, redis: Redis, bus: Bus, call: Registration
) -> None:
    here, there = await process(redis), await process(redis)
    await here.write(call, None, is_first=True)
    await stands_still(redis, call)
    assert await there.take_over(call)
    await there.write(call, said("given up"), is_first=True, is_final=True)
    assert await here.write(call, said("too late")) is None
    assert await here.write(call, said("answer"), is_final=True) is None
    assert await words(redis, bus, call) == ["given up"]
    assert not await redis.exists(keys.calls(call.session_id))


async def test_a_process_whose_call_nobody_took_continues_after_its_lease_has_expired(
    process: Process, redis: Redis, bus: Bus, call: Registration
) -> None:
    here = await process(redis)
    await here.write(call, said("before"), is_first=True)
    await stands_still(redis, call)
    assert await here.write(call, said("after")) is not None
    assert await words(redis, bus, call) == ["before", "after"]
    assert await redis.exists(keys.lease(call.session_id, call.stream))


async def test_nothing_is_written_for_a_session_that_has_ended(
    process: Process, redis: Redis, store: SessionStore, call: Registration
) -> None:
    here = await process(redis)
    await here.write(call, said("before"), is_first=True)
    await store.end(call.session_id)
    assert await here.write(call, said("after")) is None
    assert not await redis.exists(keys.events(call.session_id), keys.calls(call.session_id))


@pytest.mark.parametrize("kind", ["first", "middle", "final"])
async def test_a_message_is_written_once_even_if_the_reply_of_redis_is_lost(
    process: Process, relay: RedisRelay, redis: Redis, bus: Bus, call: Registration, kind: str
) -> None:
    relayed = connect(relay.url)
    try:
        here = await process(relayed)
        options: dict[str, Any] = {"is_first": True}
        if kind != "first":
            await here.write(call, said("earlier"), is_first=True)
            options = {"is_final": kind == "final"}
        relay.lose_reply_to(b"important")
        await here.write(call, said("important"), **options, retry_seconds=5)
        assert relay.lost == 1
        earlier = [] if kind == "first" else ["earlier"]
        assert await words(redis, bus, call) == [*earlier, "important"]
        assert (await here.find(call.session_id, call.stream) is None) is (kind == "final")
    finally:
        await relayed.aclose()


@pytest.mark.parametrize("message", [said("important"), None], ids=["with its response", "cancelled"])
async def test_the_end_of_a_call_is_known_and_its_readers_are_woken_even_if_the_reply_of_redis_is_lost(
    process: Process,
    relay: RedisRelay,
    redis: Redis,
    open_bus: Callable[[], Awaitable[Bus]],
    call: Registration,
    message: bytes | None,
) -> None:
    reader = await open_bus()
    heard: list[dict[str, Any]] = []
    for kind in (APPENDED, CLOSE):
        reader.on(kind, heard.append)
    await Directory(redis, reader).register(keys.processes(call.session_id), 60)
    relayed = connect(relay.url)
    try:
        here = await process(relayed)
        await here.write(call, None, is_first=True)
        relay.lose_reply_to(call.stream.encode())
        assert await here.write(call, message, is_final=True) is not None, "nobody else ended it"
        assert relay.lost == 1
    finally:
        await relayed.aclose()
    await eventually(lambda: heard)
    assert {each["type"] for each in heard} == {CLOSE if message is None else APPENDED}
    assert not await redis.exists(keys.calls(call.session_id))


async def test_a_write_that_was_rejected_is_rejected_again_if_the_reply_of_redis_is_lost(
    process: Process, relay: RedisRelay, redis: Redis, call: Registration
) -> None:
    relayed = connect(relay.url)
    try:
        here, there = await process(relayed), await process(redis)
        await here.write(call, None, is_first=True)
        await stands_still(redis, call)
        assert await there.take_over(call)
        relay.lose_reply_to(b"too late")
        assert await here.write(call, said("too late"), is_final=True) is None
        assert relay.lost == 1
    finally:
        await relayed.aclose()


async def test_a_call_that_was_handed_over_can_be_taken_by_any_process(
    process: Process, redis: Redis, bus: Bus, call: Registration
) -> None:
    here, there = await process(redis), await process(redis)
    await here.write(call, said("before"), is_first=True)
    await here.hand_over([replace(call, losses=-1)])
    handed_over = replace(call, losses=-1, is_handed_over=True)
    assert await there.find(call.session_id, call.stream) == handed_over
    assert await there.take_over(call)
    await there.write(call, None, is_first=True)
    await here.hand_over([replace(call, losses=-1)])
    assert await there.find(call.session_id, call.stream) == call
    assert await redis.exists(keys.lease(call.session_id, call.stream)), "the lease is another's now"


async def test_a_stream_that_is_silent_while_many_others_end_continues_where_it_left_off(
    process: Process, redis: Redis, bus: Bus, call: Registration, settings: Any
) -> None:
    settings.MCP_EVENT_LOG_LENGTH = 50
    get_stream = "g0123456789abcdef"
    here, log = await process(redis), EventLog(redis, Directory(redis, bus))
    await here.write(call, said("before"), is_first=True)
    await log.append(call.session_id, get_stream, said("before"))
    reader = Reader(log, call.session_id, dict.fromkeys((call.stream, get_stream), START))
    after = {event.stream: event.position for event in await reader.read()}
    for n in range(300):
        other = replace(call, stream=f"r{n:016}")
        message = said("answer") if n % 3 else None  # or cancelled
        await here.write(other, message, is_first=True, is_final=True)
    assert await redis.hlen(keys.tails(call.session_id)) < 200
    for stream, position in after.items():
        assert (await log.can_replay(call.session_id, stream, position))[:2] == (True, False)
    await here.write(call, said("after"), is_final=True)
    await log.append(call.session_id, get_stream, said("after"))
    reader = Reader(log, call.session_id, after)
    assert [json.loads(event.data)["method"] for event in await reader.read()] == ["after", "after"]
