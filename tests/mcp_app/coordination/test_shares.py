"""Shares: one person's commands queue among themselves, and leave connections to everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from mcp_app.coordination.connection import connect
from mcp_app.coordination.limits import TooManyWaiting
from mcp_app.coordination.shares import PARTS, share_of
from mcp_app.exceptions import Unavailable
from tests.support.redis_relay import RedisRelay

SHARE = 2


@pytest.fixture
async def client(relay: RedisRelay, settings: Any) -> AsyncIterator[Redis]:
    settings.MCP_REDIS_CONNECTIONS = SHARE * PARTS
    settings.MCP_REDIS_TIMEOUT_SECONDS = 0.5  # enough to connect on a busy machine
    client = connect(relay.url)
    yield client
    await client.aclose()


async def get(client: Redis, person: str | None) -> Any:
    with share_of(person):
        return await client.get("nothing")


@asynccontextmanager
async def in_use(client: Redis, person: str, number: int = SHARE) -> AsyncIterator[None]:
    """Connections that a person uses, as for commands that get no reply."""
    async with AsyncExitStack() as stack:
        for _ in range(number):
            with share_of(person):
                connection = await client.connection_pool.get_connection()
            stack.push_async_callback(client.connection_pool.release, connection)
        yield


async def test_many_writers_of_one_person_use_no_more_than_their_share(
    client: Redis, relay: RedisRelay
) -> None:
    await asyncio.gather(*(get(client, "alice") for _ in range(50)))
    assert relay.opened == SHARE


async def test_somebody_else_is_served_while_a_person_uses_all_of_their_share(client: Redis) -> None:
    async with in_use(client, "alice"):
        with pytest.raises(TooManyWaiting):
            await get(client, "alice")
        assert await get(client, "bob") is None
        assert await get(client, None) is None
    assert await get(client, "alice") is None


async def test_a_task_has_the_share_of_who_started_it(client: Redis) -> None:
    async with in_use(client, "alice"):
        with share_of("alice"):
            task = asyncio.ensure_future(client.get("nothing"))
        with pytest.raises(TooManyWaiting):
            await task


async def test_a_command_that_is_cancelled_returns_its_part_of_the_share(
    client: Redis, relay: RedisRelay
) -> None:
    await get(client, "alice")
    relay.stalls = True
    commands = [asyncio.create_task(get(client, "alice")) for _ in range(2 * SHARE)]
    await asyncio.sleep(0)  # they begin: some use a connection, some wait for one
    for command in commands:
        command.cancel()
    await asyncio.gather(*commands, return_exceptions=True)
    relay.stalls = False
    async with in_use(client, "alice"):
        pass


async def test_a_connection_that_cannot_be_opened_takes_no_part_of_the_share(
    client: Redis, relay: RedisRelay, redis_server: str
) -> None:
    relay.lead_to("redis://127.0.0.1:1/0")
    for _ in range(SHARE):
        with pytest.raises(Unavailable):
            await get(client, "alice")
    relay.lead_to(redis_server)
    async with in_use(client, "alice"):
        pass
