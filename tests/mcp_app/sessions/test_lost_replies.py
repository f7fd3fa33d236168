"""Redis executes a command, and the connection breaks before the reply: nothing happens twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from mcp_types import JSONRPCResponse
from redis.asyncio import Redis

from mcp_app.calls.client_requests import ClientRequests
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import connect
from mcp_app.coordination.directory import Directory
from mcp_app.sessions import keys
from mcp_app.sessions.data import SessionData
from mcp_app.sessions.event_log import EventLog, Reader
from mcp_app.sessions.events import START
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.record_scripts import ERASE
from mcp_app.sessions.store import SESSION_ENDED, SessionStore, erase
from tests.support.parts import make_record
from tests.support.redis_relay import RedisRelay
from tests.support.waiting import eventually


@pytest.fixture
async def relayed(relay: RedisRelay) -> AsyncIterator[Redis]:
    client = connect(relay.url)
    yield client
    await client.aclose()


async def test_a_message_is_appended_once(
    relay: RedisRelay, relayed: Redis, redis: Redis, bus: Bus, record: SessionRecord
) -> None:
    log = EventLog(relayed, Directory(relayed, bus))
    await log.append(record.id, "r1", {"n": 1})
    relay.lose_reply_to(b"r1")
    await log.append(record.id, "r1", {"n": 2})
    assert relay.lost == 1
    events = await Reader(EventLog(redis, Directory(redis, bus)), record.id, {"r1": START}).read()
    assert [json.loads(event.data)["n"] for event in events] == [1, 2]


async def test_the_answer_of_a_client_is_not_lost_with_the_reply_that_brings_it(
    relay: RedisRelay, relayed: Redis, redis: Redis, bus: Bus, record: SessionRecord
) -> None:
    requests = ClientRequests(relayed, bus)

    async def emit(message: dict[str, Any]) -> None:
        if message["method"] == "roots/list":
            answer = JSONRPCResponse(jsonrpc="2.0", id=message["id"], result={"roots": []})
            await ClientRequests(redis, bus).deliver(record, answer)
            relay.lose_reply_to(keys.answer(record.id, message["id"]).encode())

    record.client_params.capabilities.roots = {}  # type: ignore[union-attr]
    assert await requests.ask(record, emit, "roots/list", None, 10) == {"roots": []}
    assert relay.lost == 1
    assert not await redis.keys(f"mcp:a*{{{record.id}}}*")


async def test_the_end_of_a_session_is_announced_and_leaves_no_entry_of_it(
    relay: RedisRelay,
    relayed: Redis,
    redis: Redis,
    open_bus: Callable[[], Awaitable[Bus]],
    record: SessionRecord,
) -> None:
    there = await open_bus()
    ended: list[str] = []
    there.on(SESSION_ENDED, lambda message: ended.append(message["session"]))
    assert await SessionStore(redis, there).renew(record.id) is not None
    unknown = make_record()
    store = SessionStore(relayed, await open_bus())
    await store.end(unknown.id)  # from now on Redis knows the scripts
    relay.lose_reply_to(relayed.register_script(ERASE).sha.encode())
    await store.end(record.id)
    assert relay.lost == 1
    await eventually(lambda: ended == [record.id])
    assert await redis.zscore(keys.sessions_of(record.owner), record.id) is None
    assert not await redis.exists(*keys.of_session(record.id))


async def test_whoever_ends_a_session_is_told_that_it_existed(
    relay: RedisRelay, relayed: Redis, record: SessionRecord
) -> None:
    assert await erase(relayed, make_record().id) == (None, [])
    relay.lose_reply_to(relayed.register_script(ERASE).sha.encode())
    ended, _ = await erase(relayed, record.id)
    assert relay.lost == 1
    assert ended is not None
    assert ended.id == record.id


@pytest.mark.parametrize("change", ["set", "delete"])
async def test_what_is_stored_and_deleted_is_reported_as_such(
    relay: RedisRelay, relayed: Redis, record: SessionRecord, change: str
) -> None:
    data = SessionData(relayed, record.id)
    for value in (b"loads", b"the scripts"):
        await data.set("value", value)
        await data.delete("value")
    if change == "delete":
        await data.set("value", b"to delete")
    relay.lose_reply_to(b"EVALSHA")
    assert await (data.set("value", b"new") if change == "set" else data.delete("value"))
    assert relay.lost == 1
    assert await data.names() == (["value"] if change == "set" else [])
