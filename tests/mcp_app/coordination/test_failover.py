"""After a failover nothing is read from the old primary, although it still responds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from mcp_app.coordination.connection import connect
from mcp_app.exceptions import Unavailable
from tests.support.own_redis import OwnRedis
from tests.support.own_redis import own_redis as own_redis_server
from tests.support.redis_relay import RedisRelay, relaying


@pytest.fixture
def old() -> Iterator[OwnRedis]:
    with own_redis_server() as server:
        yield server


@pytest.fixture
def new() -> Iterator[OwnRedis]:
    with own_redis_server() as server:
        yield server


@pytest.fixture
async def relay(old: OwnRedis) -> AsyncIterator[RedisRelay]:
    async with relaying(old.url) as relay:
        yield relay


@pytest.fixture
async def client(relay: RedisRelay) -> AsyncIterator[Redis]:
    client = connect(relay.url)
    yield client
    await client.aclose()


async def read_at_once(client: Redis, number: int = 8) -> set[Any]:
    return set(await asyncio.gather(*(client.get("where") for _ in range(number))))


def demote(server: OwnRedis) -> None:
    with server.client() as commands:
        commands.set("where", "old")
    server.demote()


def promote(server: OwnRedis) -> None:
    with server.client() as commands:
        commands.set("where", "new")


async def test_a_write_that_was_repeated_at_the_new_primary_leaves_no_connection_to_the_old_one(
    client: Redis, relay: RedisRelay, old: OwnRedis, new: OwnRedis
) -> None:
    demote(old)
    promote(new)
    assert await read_at_once(client) == {"old"}
    relay.lead_to(new.url)
    await client.set("something", "written")
    assert await read_at_once(client) == {"new"}


async def test_connections_opened_between_a_refused_write_and_the_failover_are_not_used_after_it(
    client: Redis, relay: RedisRelay, old: OwnRedis, new: OwnRedis
) -> None:
    demote(old)
    promote(new)
    with pytest.raises(Unavailable):
        await client.set("something", "refused")
    assert await read_at_once(client) == {"old"}
    relay.lead_to(new.url)
    assert await read_at_once(client) == {"new"}


async def test_a_transaction_that_is_refused_counts_as_well(
    client: Redis, relay: RedisRelay, old: OwnRedis, new: OwnRedis
) -> None:
    demote(old)
    promote(new)
    assert await read_at_once(client) == {"old"}
    relay.lead_to(new.url)
    async with client.pipeline(transaction=True) as pipe:
        pipe.set("something", "written")
        await pipe.execute()
    assert await read_at_once(client) == {"new"}


async def test_later_connections_are_reused_again(
    client: Redis, relay: RedisRelay, old: OwnRedis, new: OwnRedis, settings: Any
) -> None:
    settings.MCP_LEASE_SECONDS = 0.0
    demote(old)
    promote(new)
    relay.lead_to(new.url)
    await client.set("something", "written")
    await read_at_once(client)
    opened = relay.opened
    assert await read_at_once(client) == {"new"}
    assert relay.opened == opened
