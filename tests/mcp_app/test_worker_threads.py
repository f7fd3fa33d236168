"""Functions that are not async: their connections are closed when their worker threads are idle."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from anyio import to_thread
from django.db import connection

from mcp_app.worker_threads import WorkerThreads, watched_by
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def workers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerThreads]:
    monkeypatch.setattr("mcp_app.worker_threads._PAUSE_SECONDS", 0.0)
    made = WorkerThreads()
    made.start()
    yield made
    await made.aclose()


async def call(workers: WorkerThreads, function: Callable[[], Any]) -> Any:
    """Call a function as the SDK calls one that is not async."""
    token = watched_by.set(workers)
    try:
        return await to_thread.run_sync(function)
    finally:
        watched_by.reset(token)


class Connections:
    """Connections that functions have opened, each in its thread."""

    def __init__(self, together: int = 1) -> None:
        self.opened: list[Any] = []
        self.threads: set[threading.Thread] = set()
        self._all_here = threading.Barrier(together)

    def open(self) -> None:
        connection.ensure_connection()
        self.opened.append(connection._connections[connection._alias])  # type: ignore[attr-defined]
        self.threads.add(threading.current_thread())
        self._all_here.wait(10)

    @property
    def are_closed(self) -> bool:
        return all(one.connection is None for one in self.opened)


async def test_connections_of_many_threads_are_closed_each_in_its_own(workers: WorkerThreads) -> None:
    connections = Connections(together=8)
    await asyncio.gather(*(call(workers, connections.open) for _ in range(8)))
    assert len(connections.threads) == 8
    await eventually(lambda: connections.are_closed)


async def test_threads_with_connections_are_found_behind_others_without(
    workers: WorkerThreads,
) -> None:
    connections, all_here = Connections(), threading.Barrier(4)
    await call(workers, connections.open)

    def wait() -> None:
        all_here.wait(10)

    await asyncio.gather(*(call(workers, wait) for _ in range(4)))
    await eventually(lambda: connections.are_closed)


async def test_a_busy_thread_keeps_its_connection_until_it_is_idle(workers: WorkerThreads) -> None:
    connections, is_open, may_end = Connections(), threading.Event(), threading.Event()

    def work() -> bool:
        connections.open()
        is_open.set()
        may_end.wait(10)
        return connections.are_closed

    working = asyncio.create_task(call(workers, work))
    await asyncio.to_thread(is_open.wait, 10)
    other = Connections()
    await call(workers, other.open)
    await eventually(lambda: other.are_closed)
    may_end.set()
    assert await working is False
    await eventually(lambda: connections.are_closed)


async def test_the_connection_of_a_thread_that_has_ended_is_closed(workers: WorkerThreads) -> None:
    connections = Connections()

    def end() -> None:
        connections.open()
        workers.note(connections.opened[0])

    thread = threading.Thread(target=end)
    thread.start()
    await asyncio.to_thread(thread.join, 10)
    await eventually(lambda: connections.are_closed)


async def test_what_is_open_at_the_end_is_closed_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_app.worker_threads._PAUSE_SECONDS", 60.0)
    workers, connections = WorkerThreads(), Connections()
    workers.start()
    await call(workers, connections.open)
    assert not connections.are_closed
    await workers.aclose()
    assert connections.are_closed


async def test_connections_that_no_call_has_opened_are_left_alone(workers: WorkerThreads) -> None:
    connections = Connections()
    await to_thread.run_sync(connections.open)
    await workers.aclose()
    assert not connections.are_closed
    await to_thread.run_sync(lambda: connection.close())  # in the same thread: no other is idle
    assert connections.are_closed
