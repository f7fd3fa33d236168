"""The directory: who is found where, for how long, and that nobody else is notified."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from mcp_app.coordination.bus import Bus
from mcp_app.coordination.directory import Directory
from mcp_app.exceptions import Store, Unavailable
from tests.support.waiting import eventually

Open = Callable[[], Awaitable[Bus]]


@pytest.fixture
async def place(redis: Redis) -> AsyncIterator[str]:
    place = f"mcp:at:{{test-{secrets.token_hex(8)}}}"
    yield place
    await redis.delete(place)


async def test_an_entry_is_found_until_it_expires(redis: Redis, directory: Directory, place: str) -> None:
    await directory.register(place, 0.2)
    assert await directory.addresses(place) == [directory.bus.address]
    assert 0 < await redis.pttl(place) <= 1000

    async def is_gone() -> bool:
        return await directory.addresses(place) == []

    await eventually(is_gone)


async def test_an_entry_is_renewed_with_every_beat_until_its_last_user_stops(
    redis: Redis, directory: Directory, place: str
) -> None:
    await directory.register_and_renew(place)
    await directory.register_and_renew(place)
    await redis.delete(place)  # as an outage may do
    directory.stop_renewing(place)
    await directory.beat()
    assert await directory.addresses(place) == [directory.bus.address]
    directory.stop_renewing(place)
    await redis.delete(place)
    await directory.beat()
    assert await directory.addresses(place) == []


async def test_many_users_of_one_entry_register_it_once(
    directory: Directory, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: list[str] = []

    async def register(key: str, seconds: float) -> None:
        registered.append(key)

    monkeypatch.setattr(directory, "register", register)
    for _ in range(50):
        await directory.register_and_renew(place)
    assert registered == [place]


async def test_an_entry_that_could_not_be_made_is_not_renewed(
    directory: Directory, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(key: str, seconds: float) -> None:
        raise Unavailable(Store.SESSIONS, "down")

    with monkeypatch.context() as patched:
        patched.setattr(directory, "register", fail)
        with pytest.raises(Unavailable):
            await directory.register_and_renew(place)
    await directory.beat()
    assert await directory.addresses(place) == []
    await directory.register_and_renew(place)
    assert await directory.addresses(place) == [directory.bus.address]


async def test_an_entry_that_cannot_be_renewed_does_not_affect_others(
    redis: Redis, directory: Directory, place: str
) -> None:
    bad = f"{place}-bad"
    directory.start_renewing(bad)
    directory.start_renewing(place)
    await redis.set(bad, "of another release", ex=60)
    await directory.beat()
    assert await directory.addresses(place) == [directory.bus.address]
    await redis.delete(bad)


async def test_only_registered_processes_are_notified(redis: Redis, open_bus: Open, place: str) -> None:
    heard: list[tuple[str, Any]] = []
    directories = {}
    for name in ("here", "there", "elsewhere", "gone"):
        bus = await open_bus()
        bus.on("test", lambda message, name=name: heard.append((name, message["n"])))  # type: ignore[misc]
        directories[name] = Directory(redis, bus)
    await directories["there"].register_and_renew(place)
    await redis.zadd(place, {directories["gone"].bus.address: 1.0})  # long ago
    await directories["here"].publish({"type": "test", "n": 1}, place)
    assert heard[0] == ("here", 1)
    await eventually(lambda: heard == [("here", 1), ("there", 1)])
    await directories["elsewhere"].publish_to_all({"type": "test", "n": 2}, [place, f"{place}-empty"])
    await eventually(lambda: ("there", 2) in heard)
    assert heard == [("here", 1), ("there", 1), ("elsewhere", 2), ("there", 2)]


async def test_a_message_is_handled_locally_while_redis_is_unavailable(
    directory: Directory, place: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*keys: str) -> list[str]:
        raise Unavailable(Store.SESSIONS, "down")

    heard: list[Any] = []
    directory.bus.on("test", heard.append)
    monkeypatch.setattr(directory, "addresses", fail)
    await directory.publish({"type": "test"}, place)
    assert len(heard) == 1
    assert "message to other processes lost" in caplog.text
