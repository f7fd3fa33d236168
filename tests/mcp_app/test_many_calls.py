"""Fifty calls at once that query PostgreSQL: each waits for no other, and none leaves a connection."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import psycopg
import pytest
from anyio import to_thread
from django.contrib.auth import get_user_model
from django.db import connection
from mcp.server.mcpserver import MCPServer

from mcp_app.server import Engine
from mcp_app.testing import Client
from tests.support.waiting import eventually

CALLS = 50

pytestmark = [
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="TEST_DATABASE_URL names no PostgreSQL"),
    pytest.mark.django_db(transaction=True),
]


class Counting:
    """A server whose tools count users, and then wait until the test lets them end."""

    def __init__(self) -> None:
        self.waiting = 0
        self._may_end = asyncio.Event()
        self._plain_may_end = threading.Event()

    def let_end(self) -> None:
        self._may_end.set()
        self._plain_may_end.set()

    def build(self, engine: Engine) -> MCPServer[Any]:
        server = MCPServer("counting", **engine.options())
        server.add_tool(self.asynchronous)
        server.add_tool(self.plain)
        return server

    async def asynchronous(self) -> int:
        counted = await get_user_model().objects.acount()
        self.waiting += 1
        await self._may_end.wait()
        return counted

    def plain(self) -> int:
        counted = get_user_model().objects.count()
        self.waiting += 1
        self._plain_may_end.wait(30)
        return counted


@pytest.mark.parametrize("tool", ["asynchronous", "plain"])
async def test_calls_have_a_connection_each_and_leave_none(tool: str, settings: Any) -> None:
    settings.DATABASE_CONNECTIONS = 2 * CALLS  # of this site's database backend
    tools = Counting()
    # Of plain functions, as many as anyio has worker threads.
    limit = CALLS if tool == "asynchronous" else int(to_thread.current_default_thread_limiter().total_tokens)
    parameters = {**connection.get_connection_params(), "cursor_factory": None}
    names = ("host", "port", "user", "password", "dbname")
    async with (
        await psycopg.AsyncConnection.connect(
            autocommit=True, **{name: parameters[name] for name in names if parameters.get(name)}
        ) as observer,
        Client(tools.build) as client,
    ):

        async def connections() -> int:
            counted = await observer.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            )
            [number] = await counted.fetchone() or (0,)
            return int(number)

        before = await connections()
        calls = [asyncio.create_task(client.call_tool(tool)) for _ in range(CALLS)]
        await eventually(lambda: tools.waiting == min(limit, CALLS), within=30)
        during = await connections()
        tools.let_end()
        results = await asyncio.gather(*calls)
        assert during - before == min(limit, CALLS)
        assert [result.structured_content for result in results] == [{"result": 0}] * CALLS

        async def are_closed() -> bool:
            return await connections() == before

        await eventually(are_closed)
