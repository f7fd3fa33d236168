"""Copies that are kept for seconds: those in use are refreshed before they expire; a change always wins."""

from __future__ import annotations

import asyncio
import contextvars
from types import SimpleNamespace
from typing import Any

import pytest

from mcp_app.conf import conf
from mcp_app.coordination import cache as module
from mcp_app.coordination.cache import REFRESHED_FROM, REFRESHED_TO, ReadThroughCache
from tests.support.waiting import eventually


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def pass_part(self, part: float) -> None:
        """Let a part of the age of a copy pass."""
        self.now += part * conf.cache_seconds


class Store:
    """The source: a number that counts the reads, unless a test sets something else."""

    def __init__(self) -> None:
        self.reads = 0
        self.fault: Exception | None = None
        self.is_gone = False
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def read(self) -> int | None:
        self.reads += 1
        number = self.reads
        fault, is_gone = self.fault, self.is_gone
        await self.goes_on.wait()
        if fault is not None:
            raise fault
        return None if is_gone else number


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def cache(clock: Clock) -> ReadThroughCache[int]:
    return ReadThroughCache(lambda number: 1000)


@pytest.fixture
def store() -> Store:
    return Store()


LATE = REFRESHED_TO + 0.01


async def all_done() -> None:
    """Wait until nothing runs besides the test."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), 10)
    await asyncio.sleep(0)  # their callbacks


async def test_a_copy_used_late_in_its_life_is_refreshed_in_the_background(
    cache: ReadThroughCache[int], store: Store, clock: Clock
) -> None:
    await cache.read("a", store.read)
    clock.pass_part(LATE)
    assert cache.get("a", store.read) == 1  # nobody waits
    await all_done()
    clock.pass_part(1 - LATE)  # the first would be too old now
    assert cache.get("a", store.read) == 2
    assert store.reads == 2


async def test_a_copy_is_not_refreshed_early_in_its_life(
    cache: ReadThroughCache[int], store: Store, clock: Clock
) -> None:
    await cache.read("a", store.read)
    clock.pass_part(REFRESHED_FROM - 0.01)
    assert cache.get("a", store.read) == 1
    await all_done()
    assert store.reads == 1


async def test_an_unused_copy_is_not_refreshed(
    cache: ReadThroughCache[int], store: Store, clock: Clock
) -> None:
    await cache.read("a", store.read)
    clock.pass_part(1.0)
    await all_done()
    assert cache.get("a", store.read) is None
    assert store.reads == 1


async def test_copies_that_were_read_together_are_refreshed_at_different_moments(
    cache: ReadThroughCache[int], store: Store, clock: Clock
) -> None:
    names = [str(number) for number in range(40)]
    for name in names:
        await cache.read(name, store.read)
    clock.pass_part((REFRESHED_FROM + REFRESHED_TO) / 2)
    for name in names:
        cache.get(name, store.read)
        await all_done()
    assert len(names) < store.reads < 2 * len(names)


async def test_a_copy_is_refreshed_once_however_many_use_it(
    cache: ReadThroughCache[int], store: Store, clock: Clock
) -> None:
    await cache.read("a", store.read)
    store.goes_on.clear()
    clock.pass_part(LATE)
    for _ in range(3):
        assert cache.get("a", store.read) == 1
        await asyncio.sleep(0)
    assert store.reads == 2
    clock.pass_part(1 - LATE)
    assert cache.get("a", store.read) is None
    waiting = asyncio.create_task(cache.read("a", store.read))  # for the read under way
    await asyncio.sleep(0)
    store.goes_on.set()
    assert await waiting == 2


async def test_few_copies_are_refreshed_at_the_same_time_and_the_others_at_a_later_use(
    cache: ReadThroughCache[int], store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REFRESHES", 2)
    names = ["a", "b", "c"]
    for name in names:
        await cache.read(name, store.read)
    store.goes_on.clear()
    clock.pass_part(LATE)
    for name in names:
        assert cache.get(name, store.read)
    await asyncio.sleep(0)
    assert store.reads == 3 + 2
    store.goes_on.set()
    await all_done()
    for name in names:
        assert cache.get(name, store.read)
    await all_done()
    assert store.reads == 3 + 3


async def test_a_copy_is_not_kept_if_a_change_arrives_while_it_is_refreshed(
    cache: ReadThroughCache[int], store: Store, clock: Clock
) -> None:
    await cache.read("a", store.read)
    store.goes_on.clear()
    clock.pass_part(LATE)
    cache.get("a", store.read)
    await asyncio.sleep(0)
    cache.forget("a")
    store.goes_on.set()
    await all_done()
    assert cache.get("a", store.read) is None
    assert await cache.read("a", store.read) == 3


async def test_a_value_that_is_gone_is_dropped_when_it_is_refreshed(
    cache: ReadThroughCache[int], store: Store, clock: Clock
) -> None:
    await cache.read("a", store.read)
    clock.pass_part(LATE)
    store.is_gone = True
    cache.get("a", store.read)
    await all_done()
    assert cache.get("a", store.read) is None


async def test_during_an_outage_a_copy_is_used_until_it_expires_and_not_retried_before(
    cache: ReadThroughCache[int], store: Store, clock: Clock
) -> None:
    await cache.read("a", store.read)
    store.fault = ConnectionError("away")
    clock.pass_part(LATE)
    for _ in range(3):
        assert cache.get("a", store.read) == 1
        await all_done()
    assert store.reads == 2
    clock.pass_part(1 - LATE)
    assert cache.get("a", store.read) is None
    with pytest.raises(ConnectionError):
        await cache.read("a", store.read)


async def test_a_read_in_the_background_belongs_to_no_request(
    cache: ReadThroughCache[int], clock: Clock
) -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")
    seen: list[str] = []

    async def read() -> int:
        seen.append(request.get())
        return 1

    request.set("mine")
    await cache.read("a", read)
    clock.pass_part(LATE)
    cache.get("a", read)
    await eventually(lambda: len(seen) == 2)
    assert seen == ["mine", "none"]


async def test_a_copy_that_is_never_trusted_is_not_refreshed_in_the_background(
    cache: ReadThroughCache[int], store: Store, clock: Clock, settings: Any
) -> None:
    settings.MCP_CACHE_SECONDS = 0.0
    await cache.read("a", store.read)
    assert cache.get("a", store.read) is None
    await all_done()
    assert store.reads == 1


async def test_no_read_outlives_the_cache(cache: ReadThroughCache[int]) -> None:
    begun, ended = asyncio.Event(), list[str]()

    async def read() -> int:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("read")
        return 1

    waiting = asyncio.create_task(cache.read("a", read))
    await begun.wait()
    cache.forget("a")  # the read goes on, though nobody will want what it finds
    await cache.aclose()
    assert ended == ["read"]
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_copies_are_bounded_in_bytes_and_the_oldest_makes_room(
    cache: ReadThroughCache[int], clock: Clock, settings: Any
) -> None:
    settings.MCP_CACHE_BYTES = 3000
    for number, key in enumerate("abcb", start=1):
        cache.put(key, number, clock.now)
    assert len(cache) == 3, "a value that is replaced is not counted twice"
    cache.forget("a")
    for number, key in enumerate("de", start=5):
        cache.put(key, number, clock.now)

    async def never() -> int:
        raise AssertionError("it is fresh")

    assert [cache.get(key, never) for key in "abcde"] == [None, 4, None, 5, 6]
