"""Calls and the database: each has a thread and connections of its own, and leaves none open."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from django.db import OperationalError, connection

from mcp_app.database import use_database
from mcp_app.exceptions import Store, Unavailable
from tests.support.waiting import eventually


async def call(handler: Any) -> Any:
    """Run a handler as the server does."""
    ctx: Any = None
    return await use_database(ctx, lambda _: handler())


async def test_calls_do_not_wait_for_each_others_queries() -> None:
    both_at_once = threading.Barrier(2)

    async def query() -> None:
        await sync_to_async(both_at_once.wait)(5)

    await asyncio.gather(call(query), call(query))


async def test_the_queries_of_one_call_share_a_thread() -> None:
    async def threads() -> set[threading.Thread]:
        return {await sync_to_async(threading.current_thread)() for _ in range(3)}

    assert len(await call(threads)) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fails", [False, True], ids=["ends", "fails"])
async def test_the_connection_of_a_call_is_closed_when_it_has_ended(fails: bool) -> None:
    used: list[Any] = []

    def query() -> None:
        connection.ensure_connection()
        used.append(connection._connections[connection._alias])  # type: ignore[attr-defined]

    async def handler() -> None:
        await sync_to_async(query)()
        assert used[0].connection is not None
        if fails:
            raise ZeroDivisionError

    await asyncio.gather(call(handler), return_exceptions=True)
    assert used[0].connection is None


async def test_a_task_that_a_call_began_has_its_connections_closed_as_well() -> None:
    closed_in: list[threading.Thread] = []
    ran_in: list[threading.Thread] = []
    begun: list[asyncio.Task[Any]] = []

    async def task() -> None:
        ran_in.append(await sync_to_async(threading.current_thread)())

    async def handler() -> None:
        ran_in.append(await sync_to_async(threading.current_thread)())
        begun.append(asyncio.create_task(call(task)))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "mcp_app.database.close_connections", lambda: closed_in.append(threading.current_thread())
        )
        await call(handler)
        await begun[0]
    assert set(closed_in) == set(ran_in)
    assert len(set(ran_in)) == 2


@pytest.mark.django_db(transaction=True)
async def test_the_connection_of_a_call_that_is_cancelled_again_and_again_is_closed() -> None:
    used: list[Any] = []
    connected, may_go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def query() -> None:
        connection.ensure_connection()
        used.append(connection._connections[connection._alias])  # type: ignore[attr-defined]
        loop.call_soon_threadsafe(connected.set)
        may_go.wait(10)

    async def handler() -> None:
        await sync_to_async(query)()

    calling = asyncio.create_task(call(handler))
    try:
        await connected.wait()
        while not calling.done():
            calling.cancel()
            await asyncio.sleep(0)
    finally:
        may_go.set()
    await eventually(lambda: used[0].connection is None)


async def test_a_call_that_makes_no_query_has_no_thread() -> None:
    before = len(SyncToAsync.context_to_thread_executor)

    async def quiet() -> int:
        return len(SyncToAsync.context_to_thread_executor)

    assert await call(quiet) == before


async def test_a_database_that_cannot_be_reached_raises_unavailable() -> None:
    async def fail() -> None:
        raise OperationalError("connection refused")

    with pytest.raises(Unavailable, match="connection refused") as caught:
        await call(fail)
    assert caught.value.store is Store.DATABASE


async def test_an_outage_is_found_in_the_causes_of_an_error() -> None:
    wrapped = ValueError("Error rendering prompt")
    wrapped.__cause__ = OperationalError("connection refused")

    async def fail() -> None:
        raise wrapped

    with pytest.raises(Unavailable) as caught:
        await call(fail)
    assert caught.value.store is Store.DATABASE
    wrapped.__cause__ = wrapped  # as by `raise error from error`
    with pytest.raises(ValueError, match="prompt"):
        await call(fail)
