"""Totals: what exists in all processes is counted until it expires, and counting harms nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from mcp_app.coordination import total as module
from mcp_app.coordination.total import Total
from mcp_app.exceptions import Unreadable


class Clock:
    """The time that a process sees."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def total(redis: Redis) -> Total:
    return Total(redis, "mcp:counted-by-a-test")


@pytest.fixture(autouse=True)
async def forgotten(redis: Redis) -> Any:
    await redis.delete("mcp:counted-by-a-test")
    yield
    await redis.delete("mcp:counted-by-a-test")


async def test_each_is_counted_once_until_it_is_removed(total: Total) -> None:
    for name in ("a", "b", "b"):
        await total.add(name, 60)
    assert await total.count() == 2
    await total.remove("a")
    await total.remove("unknown")
    assert await total.count() == 1


async def test_what_has_expired_is_neither_counted_nor_kept(
    total: Total, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    await total.add("a", 60)
    await total.add("b", 600)
    clock.now += 61
    assert await total.count() == 1
    await total.add("c", 60)
    assert set(await redis.zrange("mcp:counted-by-a-test", 0, -1)) == {"b", "c"}


async def test_the_set_lives_as_long_as_what_lives_longest(total: Total, redis: Redis) -> None:
    await total.add("a", 600)
    await total.add("b", 60)
    assert 500 < await redis.ttl("mcp:counted-by-a-test") <= 600


@pytest.mark.parametrize("change", [lambda total: total.add("a", 60), lambda total: total.remove("a")])
async def test_a_damaged_set_cannot_be_counted_and_fails_nothing_else(
    total: Total, redis: Redis, change: Callable[[Total], Any]
) -> None:
    await redis.set("mcp:counted-by-a-test", "damaged", ex=60)
    await change(total)
    with pytest.raises(Unreadable):
        await total.count()
