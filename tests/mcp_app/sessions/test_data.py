"""Values of a session: readable in every process, bounded, and gone with their session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from mcp_app.protocol.session_features import TooMuchData
from mcp_app.sessions import keys
from mcp_app.sessions.data import PersonData, SessionData

SESSION = "session-data-test"


@pytest.fixture
async def data(redis: Redis) -> AsyncIterator[SessionData]:
    yield SessionData(redis, SESSION)
    await redis.delete(*keys.of_session(SESSION))


@pytest.fixture
def elsewhere(redis: Redis) -> SessionData:
    """The same values, as another process sees them."""
    return SessionData(redis, SESSION)


async def test_a_value_is_read_as_it_was_written(data: SessionData, elsewhere: SessionData) -> None:
    value = bytes(range(256))
    assert await data.set("a", value)
    assert not await data.set("a", value)
    assert await elsewhere.names() == ["a"]
    assert await elsewhere.get("a") == value
    assert await elsewhere.get("b") is None


async def test_sessions_share_nothing(data: SessionData, redis: Redis) -> None:
    await data.set("a", b"x")
    other = SessionData(redis, "another session")
    assert await other.names() == []
    assert await other.get("a") is None


async def test_a_value_is_forgotten_once(data: SessionData, elsewhere: SessionData) -> None:
    await data.set("a", b"x")
    assert await elsewhere.delete("a")
    assert not await data.delete("a")
    assert await data.get("a") is None


async def test_calls_that_each_store_a_value_of_their_own_are_all_counted(
    data: SessionData, elsewhere: SessionData
) -> None:
    await asyncio.gather(*((data, elsewhere)[n % 2].set(f"seen/{n}", b"") for n in range(21)))
    assert len(await data.names("seen/")) == 21


async def test_values_written_concurrently_do_not_exceed_the_limit(
    data: SessionData, elsewhere: SessionData
) -> None:
    most = 20
    await data.set("other", b"x")
    assert await data.set("files/0", b"x", most=most, prefix="files/")
    writing = [
        each.set(f"files/{number}", b"x", most=most, prefix="files/")
        for number, each in enumerate([data, elsewhere] * most, start=1)
    ]
    outcomes = await asyncio.gather(*writing, return_exceptions=True)
    assert outcomes.count(True) == most - 1
    assert sum(isinstance(outcome, TooMuchData) for outcome in outcomes) == len(outcomes) - most + 1
    assert len(await data.names("files/")) == most
    assert await elsewhere.set("files/0", b"y", most=most, prefix="files/") is False
    assert await data.get("files/0") == b"y"


async def test_the_total_size_of_values_is_limited_and_deleting_one_makes_room(
    data: SessionData, elsewhere: SessionData, settings: Any
) -> None:
    settings.MCP_SESSION_DATA_BYTES = 2000
    await data.set("a", b"x" * 900)
    with pytest.raises(TooMuchData, match="2000 bytes"):
        await elsewhere.set("b", b"x" * 900)
    with pytest.raises(TooMuchData):
        await elsewhere.set("a", b"x" * 1800)
    assert await data.get("a") == b"x" * 900
    await elsewhere.set("a", b"x")
    await data.set("b", b"x" * 900)
    await data.delete("b")
    assert await data.set("c", b"x" * 900)


async def test_many_small_values_are_limited_too(data: SessionData, settings: Any) -> None:
    settings.MCP_SESSION_DATA_BYTES = 2000
    writing = [data.set(f"{number}", b"") for number in range(100)]
    outcomes = await asyncio.gather(*writing, return_exceptions=True)
    assert sum(isinstance(outcome, TooMuchData) for outcome in outcomes) > 90


async def test_values_end_with_their_session(data: SessionData, redis: Redis) -> None:
    await data.set("a", b"x")
    assert await redis.ttl(keys.data(SESSION)) > 0
    await redis.delete(*keys.of_session(SESSION))
    assert await data.names() == []


async def test_the_name_of_a_value_is_not_empty(data: SessionData) -> None:
    with pytest.raises(ValueError, match="name"):
        await data.set("", b"x")
    await data.set("a", b"x")
    assert await data.get("") is None
    assert not await data.delete("")


def test_values_live_as_long_as_their_session_is_used() -> None:
    assert keys.data(SESSION) in keys.renewed_by_use(SESSION)


@pytest.fixture
async def alice(redis: Redis) -> AsyncIterator[PersonData]:
    yield PersonData(redis, "alice")
    await redis.delete(keys.person_data("alice"))


async def test_the_data_of_a_person_is_theirs_alone_and_kept_for_a_set_time(
    alice: PersonData, redis: Redis, settings: Any
) -> None:
    settings.MCP_PERSON_DATA_SECONDS = 1000
    alice = PersonData(redis, "alice")
    assert await alice.set("theme", b"dark")
    assert await alice.get("theme") == b"dark"
    assert await PersonData(redis, "bob").get("theme") is None
    assert 900 < await redis.ttl(keys.person_data("alice")) <= 1000


async def test_the_data_of_a_person_has_a_limit_of_its_own(alice: PersonData, settings: Any) -> None:
    settings.MCP_PERSON_DATA_BYTES = 1000
    with pytest.raises(TooMuchData, match=r"1000 bytes.*MCP_PERSON_DATA_BYTES"):
        await alice.set("theme", b"x" * 1000)
    assert await alice.names() == []
