"""What operators see of the live sessions, and how they end them."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from io import StringIO
from typing import Any

import pytest
import redis as sync_redis
from django.core.management import CommandError, call_command
from redis.asyncio import Redis

from mcp_app import control
from mcp_app.coordination import bus as bus_module
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.keys import open_streams
from mcp_app.coordination.outside import connected
from mcp_app.coordination.processes import OpenStreams
from mcp_app.exceptions import Store, Unavailable
from mcp_app.monitoring import sessions as overview
from mcp_app.observers import SessionEnd
from mcp_app.sessions import keys
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import SESSION_ENDED, RequestSession, SessionStore, erase
from tests.support.parts import make_record
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def empty(redis_server: str) -> None:
    """Data left by other tests is ignored."""
    with overview.connected() as client:
        for session_id in overview.all_ids(client):
            client.delete(*keys.of_session(session_id))


@pytest.fixture
def reader(redis_server: str) -> Iterator[sync_redis.Redis]:
    with overview.connected() as client:
        yield client


@pytest.fixture
def person() -> str:
    """A user whom no other test knows: they share one Redis."""
    return f"person-{secrets.token_hex(4)}"


@pytest.fixture
async def open_session(store: SessionStore, person: str) -> Callable[..., Awaitable[SessionRecord]]:
    async def open_one(**fields: Any) -> SessionRecord:
        record = make_record(**{"id": store.new_id(), "user": person, "client": "editor"} | fields)
        await store.create(record)
        return record

    return open_one


async def manage(*arguments: str) -> str:
    """The output of `manage.py sessions`; in a thread, as it has its own event loop."""
    out = StringIO()
    await asyncio.to_thread(call_command, "sessions", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def the_only(reader: sync_redis.Redis, person: str) -> overview.Session:
    [session] = overview.live_sessions(reader, limit=10, user=person).sessions
    return session


async def test_a_session_is_shown_as_it_is(
    store: SessionStore, reader: sync_redis.Redis, person: str, open_session: Any, redis: Redis
) -> None:
    record = await open_session(created_at=time.time() - 60, protocol_version="2025-06-18")
    await RequestSession(store, record).subscribe("test://a")
    await RequestSession(store, record).subscribe("test://b")
    await redis.hset(keys.calls(record.id), mapping={"r1": "{}"})
    await redis.expire(keys.owner(record.id), 200)
    session = the_only(reader, person)
    assert session.age_seconds in range(60, 75)
    assert session.idle_seconds in range(100, 115)
    assert session == overview.Session(
        id=record.id,
        user=person,
        client="editor",
        client_name="",
        revision="2025-06-18",
        age_seconds=session.age_seconds,
        idle_seconds=session.idle_seconds,
        streams=0,
        subscriptions=2,
        calls=1,
    )


async def test_no_form_of_a_session_shows_its_whole_id(
    reader: sync_redis.Redis, person: str, open_session: Any
) -> None:
    record = await open_session()
    session = the_only(reader, person)
    texts = [repr(session), json.dumps(session.to_json()), await manage(), await manage("--json")]
    for text in texts:
        assert record.id not in text
        assert session.id[8:] not in text
    assert session.to_json()["id"] == record.id[:8]


async def test_the_idle_time_of_a_session_without_data_is_unknown(
    reader: sync_redis.Redis, person: str, open_session: Any, redis: Redis
) -> None:
    record = await open_session()
    await redis.delete(keys.owner(record.id))
    assert the_only(reader, person).idle_seconds is None


async def test_near_the_maximum_age_of_a_session_its_idle_time_is_unknown(
    reader: sync_redis.Redis, person: str, open_session: Any, settings: Any
) -> None:
    settings.MCP_SESSION_MAX_SECONDS = 100
    await open_session(created_at=time.time() - 60)
    assert the_only(reader, person).idle_seconds is None
    row = (await manage("--user", person)).splitlines()[1]
    assert row.split()[5] == "?"


async def test_the_streams_of_all_processes_are_counted(
    redis: Redis, open_bus: Any, reader: sync_redis.Redis, person: str, open_session: Any
) -> None:
    record = await open_session()
    for count in (1, 2):
        counts = {record.id: count, "another": 7}
        await OpenStreams(redis, await open_bus(), counts.copy).beat()
    assert the_only(reader, person).streams == 3


async def test_the_stream_counts_of_a_process_follow_it_and_expire(
    redis: Redis, bus: Bus, settings: Any
) -> None:
    settings.MCP_LEASE_SECONDS = 7
    counts = {"a": 1, "b": 2}
    told, key = OpenStreams(redis, bus, counts.copy), open_streams(bus.address)
    for _ in range(2):
        await told.beat()
        assert await redis.hgetall(key) == {"a": "1", "b": "2"}
        assert 5 <= await redis.ttl(key) <= 7
        await redis.expire(key, 1)
    await told.beat()
    assert await redis.ttl(key) >= 5
    await redis.delete(key)  # as an outage may do
    await told.beat()
    assert await redis.hlen(key) == 2
    del counts["a"]
    await told.beat()
    assert await redis.hgetall(key) == {"b": "2"}
    counts.clear()
    await told.beat()
    assert not await redis.exists(key)


async def test_the_list_is_bounded_and_says_so(
    reader: sync_redis.Redis, person: str, open_session: Any
) -> None:
    for age in (34, 14, 24):
        await open_session(created_at=time.time() - age)
    whole = overview.live_sessions(reader, limit=3, user=person)
    assert whole.is_complete
    assert [session.age_seconds // 10 for session in whole.sessions] == [1, 2, 3]
    part = overview.live_sessions(reader, limit=2, user=person)
    assert not part.is_complete
    assert len(part.sessions) == 2
    assert "more than 2;" in await manage("--user", person, "--limit", "2")


async def test_a_list_of_more_than_one_page_holds_each_session_once(
    reader: sync_redis.Redis, person: str, open_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "_PAGE", 1)
    made = {(await open_session()).id for _ in range(20)}
    found = overview.live_sessions(reader, limit=100, user=person).sessions
    assert len(found) == 20
    assert {session.id for session in found} == made


async def test_the_command_filters_by_user_and_client(person: str, open_session: Any) -> None:
    await open_session(client="one")
    await open_session(client="two")
    both = json.loads(await manage("--json", "--user", person))
    assert sorted(session["client"] for session in both) == ["one", "two"]
    assert [s["client"] for s in json.loads(await manage("--json", "--user", person, "--client", "two"))] == [
        "two"
    ]
    assert json.loads(await manage("--json", "--user", "nobody")) == []


async def test_names_that_others_chose_cannot_play_with_the_terminal(person: str, open_session: Any) -> None:
    await open_session(client="\x1b[2Jevil\n" + "x" * 100)
    printed = await manage("--user", person)
    assert "\x1b" not in printed
    assert len(printed.splitlines()) == 2
    assert max(map(len, printed.splitlines())) < 150


async def test_ending_a_session_deletes_its_keys_and_notifies_every_process(
    redis: Redis, open_bus: Any, person: str, open_session: Any
) -> None:
    heard: list[str] = []
    record = await open_session()
    for place in (keys.copies, keys.processes):
        (bus := await open_bus()).on(SESSION_ENDED, lambda message: heard.append(message["session"]))
        await Directory(redis, bus).register(place(record.id), 5.0)
    for key in keys.of_session(record.id)[2:-2]:
        await redis.set(key, "x", ex=60)
    assert await manage(f"--end={record.id[:8]}") == f"{record.id[:8]} has been ended.\n"
    assert not await redis.exists(*keys.of_session(record.id))
    await eventually(lambda: heard == [record.id, record.id], within=5)


async def test_many_sessions_are_ended_over_one_connection_with_one_wait_for_a_process_that_died(
    redis: Redis, open_bus: Any, open_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [await open_session() for _ in range(40)]
    dead = await open_bus()
    await dead.stop()
    for record in records:
        await Directory(redis, dead).register(keys.copies(record.id), 60.0)
    opened = 0

    @asynccontextmanager
    async def counted(**options: Any) -> AsyncIterator[Any]:
        nonlocal opened
        opened += 1
        async with connected(**options) as found:
            yield found

    monkeypatch.setattr(control, "connected", counted)
    monkeypatch.setattr(bus_module, "_CONFIRM_SECONDS", 1.0)
    async with asyncio.timeout(20):
        printed = await manage("--end", *(record.id for record in records))
    assert len(printed.splitlines()) == 40
    assert opened == 1
    for record in records:
        assert not await redis.exists(keys.record(record.id))


async def test_of_many_sessions_those_are_named_that_ended_before_redis_could_not_be_reached(
    redis: Redis, open_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = [await open_session() for _ in range(3)]

    async def failing(redis: Redis, session_id: str) -> tuple[SessionEnd | None, list[str]]:
        if session_id == second.id:
            raise Unavailable(Store.SESSIONS, "down")
        return await erase(redis, session_id)

    monkeypatch.setattr(control, "erase", failing)
    assert await control.aend_sessions([first.id, second.id], "a test") == {first.id: True}
    with pytest.raises(CommandError, match="may still exist"):
        await manage("--end", third.id, second.id)


async def test_ending_a_session_a_second_time_is_no_error(open_session: Any) -> None:
    record = await open_session()
    assert await asyncio.to_thread(control.end_session, record.id, by="a test") is True
    assert await asyncio.to_thread(control.end_session, record.id, by="a test") is False


async def test_the_log_says_who_ended_a_session(open_session: Any, caplog: pytest.LogCaptureFixture) -> None:
    record = await open_session()
    with caplog.at_level("INFO", logger="mcp_app.control"):
        await asyncio.to_thread(control.end_session, record.id, by="root")
    [line] = [vars(entry) for entry in caplog.records if entry.name == "mcp_app.control"]
    assert (line["session"], line["by"]) == (record.id[:8], "root")


@pytest.mark.parametrize("wrong", ["no-such-session", "*", "{", ""])
async def test_nothing_is_ended_if_one_id_is_wrong(
    open_session: Any, store: SessionStore, wrong: str
) -> None:
    record = await open_session()
    with pytest.raises(CommandError, match="nothing was ended"):
        await manage(f"--end={record.id}", f"--end={wrong}")
    assert await store.renew(record.id) is not None


async def test_a_prefix_shared_by_two_sessions_ends_neither(open_session: Any, store: SessionStore) -> None:
    beginning = secrets.token_hex(4)
    records = [await open_session(id=f"{beginning}-{number}") for number in range(2)]
    with pytest.raises(CommandError, match="Several sessions"):
        await manage("--end", beginning)
    assert [await store.renew(record.id) is None for record in records] == [False, False]


@pytest.mark.parametrize("options", [["--limit", "0"], ["--end", "x", "--user", "alice"]])
async def test_options_that_are_invalid_are_refused(options: list[str]) -> None:
    with pytest.raises(CommandError):
        await manage(*options)


async def test_without_redis_the_command_says_so(settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    with pytest.raises(CommandError, match="Redis cannot be reached"):
        await manage()


def test_a_session_that_ends_while_it_is_listed_is_left_out(reader: sync_redis.Redis) -> None:
    assert list(overview._read(reader, [keys.record("gone")], Counter())) == []


async def test_a_record_of_another_release_is_left_out_of_the_list(
    redis: Redis, reader: sync_redis.Redis, person: str, open_session: Any
) -> None:
    record = await open_session()
    bad = keys.record(f"bad-{record.id}")
    await redis.hset(bad, mapping={"owner": record.owner, "format": "2"})
    await redis.expire(bad, 5)
    assert the_only(reader, person).id == record.id
    await redis.delete(bad)
