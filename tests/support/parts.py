"""The components of a process below its transports, individually, on the Redis of this run."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from mcp_types import InitializeRequestParams
from redis.asyncio import Redis

from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import connect
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.layer import channel_layer
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import SessionStore
from tests.support.layers import lossy_layers
from tests.support.redis_relay import RedisRelay, relaying

CLIENT = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"sampling": {}, "elicitation": {}},
    "clientInfo": {"name": "test", "version": "1"},
}


@pytest.fixture(autouse=True)
def channel_layers() -> Iterator[None]:
    with lossy_layers():
        yield


@pytest.fixture
async def redis(redis_server: str) -> AsyncIterator[Redis]:
    client = connect(redis_server)
    yield client
    await client.aclose()


@pytest.fixture
async def relay(redis_server: str) -> AsyncIterator[RedisRelay]:
    async with relaying(redis_server) as relay:
        yield relay


@pytest.fixture
async def open_bus(channel_layers: None) -> AsyncIterator[Callable[[], Awaitable[Bus]]]:
    """Opens buses, each for a different process."""
    buses: list[Bus] = []

    async def open_one() -> Bus:
        bus = Bus(channel_layer())
        buses.append(bus)
        await bus.start()
        return bus

    yield open_one
    for bus in buses:
        await bus.stop()
    await channel_layer().flush()


@pytest.fixture
async def bus(open_bus: Callable[[], Awaitable[Bus]]) -> Bus:
    return await open_bus()


@pytest.fixture
def directory(redis: Redis, bus: Bus) -> Directory:
    return Directory(redis, bus)


@pytest.fixture
def store(redis: Redis, bus: Bus) -> SessionStore:
    return SessionStore(redis, bus)


def make_record(**fields: Any) -> SessionRecord:
    given: dict[str, Any] = {
        "id": "test-" + secrets.token_hex(8),
        "owner": '["client",null,"alice"]',
        "protocol_version": "2025-11-25",
        "client_params": InitializeRequestParams.model_validate(CLIENT),
        "created_at": time.time(),
    }
    return SessionRecord(**(given | fields))


@pytest.fixture
async def record(store: SessionStore) -> SessionRecord:
    """A stored session."""
    made = make_record(user="alice", client="client")
    await store.create(made)
    return made
