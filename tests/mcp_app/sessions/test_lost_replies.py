"""Redis executes a command, and the connection breaks before the reply: nothing happens twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp_types import JSONRPCResponse
from redis.asyncio import Redis

from mcp_app.calls.client_requests import ClientRequests
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import connect
from mcp_app.coordination.directory import Directory
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import EventLog, Reader
from mcp_app.sessions.events import START
from mcp_app.sessions.record import SessionRecord
from tests.support.redis_relay import RedisRelay


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
            await ClientRequests(redis, bus).deliver(record.id, answer)
            relay.lose_reply_to(keys.answer(record.id, message["id"]).encode())

    record.client_params.capabilities.roots = {}  # type: ignore[union-attr]
    assert await requests.ask(record, emit, "roots/list", None, 10) == {"roots": []}
    assert relay.lost == 1
    assert not await redis.keys(f"mcp:a*{{{record.id}}}*")
