"""Publications outlive the calls that publish; so their number is bounded apart from that of the calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from types import SimpleNamespace

import pytest

from mcp_app.coordination.shares import current_share, share_of
from mcp_app.sessions import publications as module
from mcp_app.sessions.publications import MAX_REST_SECONDS, MAX_WAITING, Publications
from tests.support.asgi import PATIENCE
from tests.support.waiting import eventually


class Announced:
    """Counts what is published, and holds it up until `go`."""

    def __init__(self) -> None:
        self.begun: Counter[Hashable] = Counter()
        self.go = asyncio.Event()
        self.running = self.most_running = 0
        self.shares: set[str | None] = set()

    def of(self, change: Hashable) -> Callable[[], Awaitable[None]]:
        async def publish() -> None:
            self.begun[change] += 1
            self.shares.add(current_share())
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            try:
                await self.go.wait()
            finally:
                self.running -= 1

        return publish


@pytest.fixture
def announced() -> Announced:
    return Announced()


@pytest.fixture
def publications() -> Publications:
    return Publications()


async def test_the_same_change_is_published_once_for_all_who_wait_for_that(
    publications: Publications, announced: Announced
) -> None:
    first = asyncio.create_task(publications.run("alice", "a", announced.of("a")))
    await eventually(lambda: announced.begun["a"] == 1)
    later = [asyncio.create_task(publications.run("alice", "a", announced.of("a"))) for _ in range(20)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in later), "what is running may have been read before their change"
    announced.go.set()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(first, *later)
    assert announced.begun["a"] == 2


async def test_calls_that_are_dropped_leave_one_publication_that_waits_and_it_is_done(
    publications: Publications, announced: Announced
) -> None:
    first = asyncio.create_task(publications.run("alice", "a", announced.of("a")))
    await eventually(lambda: announced.begun["a"] == 1)
    dropped = [asyncio.create_task(publications.run("alice", "a", announced.of("a"))) for _ in range(50)]
    await asyncio.sleep(0)
    for task in (first, *dropped):
        task.cancel()
    announced.go.set()
    async with asyncio.timeout(PATIENCE):
        outcomes = await asyncio.gather(first, *dropped, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
    assert announced.begun["a"] == 2


async def test_a_publisher_with_many_changes_does_not_hold_up_another(
    publications: Publications, announced: Announced
) -> None:
    flood = [
        asyncio.create_task(publications.run("mallory", n, announced.of(n))) for n in range(2 * MAX_WAITING)
    ]
    await eventually(lambda: announced.begun.total() == 1)
    quick = Announced()
    quick.go.set()
    async with asyncio.timeout(PATIENCE):
        await publications.run("alice", "a", quick.of("a"))
    assert announced.begun.total() == 1, "one at a time for each publisher"
    announced.go.set()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*flood)
    assert announced.begun == Counter(range(2 * MAX_WAITING))


async def test_of_a_publisher_who_drops_their_calls_a_bounded_number_of_changes_waits(
    publications: Publications, announced: Announced
) -> None:
    flood = [
        asyncio.create_task(publications.run("mallory", n, announced.of(n))) for n in range(2 * MAX_WAITING)
    ]
    await eventually(lambda: announced.begun.total() == 1)
    for task in flood:
        task.cancel()
    announced.go.set()
    await asyncio.gather(*flood, return_exceptions=True)
    assert announced.begun.total() == MAX_WAITING


async def test_after_a_long_publication_others_come_before_the_next_of_the_same_publisher(
    publications: Publications, announced: Announced, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("mcp_app.sessions.publications.time", SimpleNamespace(monotonic=lambda: now))
    first = asyncio.create_task(publications.run("mallory", "a", announced.of("a")))
    await eventually(lambda: announced.running)
    now += MAX_REST_SECONDS
    announced.go.set()
    await first
    again = asyncio.create_task(publications.run("mallory", "a", announced.of("a")))
    await publications.run("alice", "b", announced.of("b"))
    assert announced.begun == {"a": 1, "b": 1}
    async with asyncio.timeout(PATIENCE):
        await again
    assert announced.begun == {"a": 2, "b": 1}


async def test_few_publications_run_at_once_and_none_within_the_share_of_the_publisher(
    publications: Publications, announced: Announced
) -> None:
    with share_of("somebody"):
        running = [asyncio.create_task(publications.run(str(n), "a", announced.of(n))) for n in range(20)]
    await eventually(lambda: announced.running > 1)
    announced.go.set()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*running)
    assert announced.most_running == 4
    assert announced.begun.total() == 20
    assert announced.shares == {None}


async def test_nothing_is_published_after_the_end(
    publications: Publications, announced: Announced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CANCELLED_SECONDS", 0.01)
    callers = [
        asyncio.create_task(publications.run("alice", change, announced.of(change))) for change in "ab"
    ]
    await eventually(lambda: announced.running == 1)
    await publications.aclose()
    assert announced.running == 0
    await asyncio.gather(*callers, return_exceptions=True)
    announced.go.set()
    async with asyncio.timeout(PATIENCE):
        await publications.run("alice", "b", announced.of("b"))
    assert announced.begun == {"a": 1, "b": 1}


async def test_what_is_being_published_at_the_end_is_finished(
    publications: Publications, announced: Announced
) -> None:
    caller = asyncio.create_task(publications.run("alice", "a", announced.of("a")))
    await eventually(lambda: announced.running == 1)
    announced.go.set()
    await publications.aclose()
    await caller
