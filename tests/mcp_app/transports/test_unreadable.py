"""What cannot be read in Redis ends what it belongs to, and nothing else.

Another release may have written it: a rolling deployment runs two at once. Or it is damaged.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp.server.mcpserver import Context

from mcp_app import control
from mcp_app.monitoring import sessions as overview
from mcp_app.sessions import keys
from tests.mcp_app.transports.support import (
    Held,
    Process,
    Session,
    call_held,
    notification,
    request,
    text_of,
    tool_call,
    within,
)
from tests.support.waiting import eventually

NOT_UTF8 = b"\xff\xfe"
Damage = Callable[[Any, str], Awaitable[Any]]


@pytest.fixture(autouse=True)
def short_leases(mcp_settings: Any) -> None:
    mcp_settings.MCP_LEASE_SECONDS = 1.0
    mcp_settings.MCP_KEEP_ALIVE_SECONDS = 0.2


@pytest.fixture
def redis(one: Process) -> Any:
    return one.runtime.redis


@pytest.fixture
async def witness(one: Process) -> Session:
    """Another session, which must not notice anything."""
    return await Session.open(one, "bob")


async def replaced(redis: Any, key: str) -> None:
    """Put a value of another Redis type in the place of a key."""
    await redis.delete(key)
    await redis.rpush(key, "an item")
    await redis.expire(key, 60)


def holding(field: str, value: str | bytes) -> Damage:
    return lambda redis, key: redis.hset(key, field, value)


def lacking(field: str) -> Damage:
    return lambda redis, key: redis.hdel(key, field)


RECORDS: dict[str, Damage] = {
    "client parameters that are not UTF-8": holding("client_params", NOT_UTF8),
    "client parameters that are not JSON": holding("client_params", "{"),
    "client parameters of another shape": holding("client_params", "[]"),
    "client parameters that are null": holding("client_params", "null"),
    "an owner that is not UTF-8": holding("owner", NOT_UTF8),
    "an owner of another shape": holding("owner", "[1]"),
    "no owner": lacking("owner"),
    "no revision": lacking("protocol_version"),
    "no time": lacking("created_at"),
    "a time that is not a number": holding("created_at", "yesterday"),
    "a time that is no time": holding("created_at", "nan"),
    "an infinite time": holding("created_at", "inf"),
    "an unknown revision": holding("protocol_version", "2099-01-01"),
    "an unknown log level": holding("log_level", "loud"),
    "an unknown version": holding("version", "2"),
    "another type": replaced,
}


FOREIGN = (RECORDS["an owner that is not UTF-8"], RECORDS["an owner of another shape"])


def _params(ways: dict[str, Damage]) -> Any:
    return pytest.mark.parametrize("damage", ways.values(), ids=ways.keys())


async def status_of(session: Session, at: Process) -> int:
    return (await session.post(at, request("ping"))).status


@_params(RECORDS)
async def test_a_record_that_cannot_be_read_is_no_session_and_disturbs_no_other(
    one: Process,
    other: Process,
    session: Session,
    witness: Session,
    redis: Any,
    damage: Damage,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await status_of(witness, other) == 200
    await damage(redis, keys.record(session.id))
    response = await session.post(other, request("ping"))
    assert (response.status, (await response.json())["error"]["code"]) == (404, -32001)
    assert (await session.delete(other)).status == 404
    assert (await session.get(other)).status == 404
    if damage not in FOREIGN:
        assert "session record cannot be read" in caplog.text

    await redis.delete(keys.owner(witness.id))
    assert await other.runtime.sessions.renew_all([session.id, witness.id]) == []
    assert await redis.exists(keys.owner(witness.id))
    await within(other.runtime.heartbeat.beat())
    assert "crashed" not in caplog.text
    assert await status_of(witness, other) == 200

    def listed() -> set[str]:
        with overview.connected() as client:
            return {each.id for each in overview.live_sessions(client, limit=10_000).sessions}

    assert witness.id in await asyncio.to_thread(listed)


@_params(RECORDS)
async def test_an_operator_can_end_a_session_that_cannot_be_read(
    one: Process, session: Session, redis: Any, damage: Damage
) -> None:
    stream = await session.listen(one)
    await damage(redis, keys.record(session.id))
    assert await control.aend_session(session.id, by="a test")
    await stream.messages()
    assert not await redis.exists(keys.record(session.id))


async def test_a_record_with_fields_of_a_later_release_is_read(
    one: Process, other: Process, session: Session, redis: Any
) -> None:
    await redis.hset(keys.record(session.id), "of_a_later_release", "1")
    assert await status_of(session, other) == 200


async def test_a_record_of_the_release_before_versions_is_read(
    one: Process, other: Process, session: Session, redis: Any
) -> None:
    await redis.hdel(keys.record(session.id), "version")
    assert await status_of(session, other) == 200


async def say_something(ctx: Context) -> str:
    await ctx.report_progress(1, 2)
    return "said"


@pytest.mark.parametrize(
    "key", [keys.calls, keys.tails, keys.processes, keys.appended], ids=lambda key: key.__name__
)
async def test_a_call_that_cannot_be_registered_since_a_key_has_another_type_has_a_response(
    one: Process, session: Session, witness: Session, redis: Any, key: Callable[[str], str]
) -> None:
    one.runtime.server.add_tool(say_something, structured_output=False)
    await replaced(redis, key(session.id))
    response = await within(session.post(one, tool_call("say_something", progress=1)))
    assert text_of(await response.answer()) == "said"
    await eventually(lambda: not len(one.runtime.calls))
    assert text_of(await witness.call(one, "say_something", progress=1)) == "said"
    await within(one.runtime.heartbeat.beat())


@pytest.mark.parametrize("key", [keys.events], ids=lambda key: key.__name__)
async def test_a_stream_whose_log_has_another_type_ends_and_cannot_be_resumed(
    one: Process, session: Session, witness: Session, redis: Any, key: Callable[[str], str]
) -> None:
    one.runtime.server.add_tool(say_something, structured_output=False)
    await replaced(redis, key(session.id))
    stream = await within(session.post(one, tool_call("say_something", progress=1)))
    opening = await stream.next_block()
    assert opening is not None
    assert await stream.messages() == []
    assert (await session.get(one, opening.id)).status in (400, 404)
    assert text_of(await witness.call(one, "say_something", progress=1)) == "said"
    await within(one.runtime.heartbeat.beat())


@pytest.mark.parametrize("key", [keys.pending, keys.claim], ids=lambda key: key.__name__)
async def test_a_stream_that_needs_a_key_of_another_type_is_not_opened(
    one: Process, session: Session, redis: Any, key: Callable[[str], str]
) -> None:
    await replaced(redis, key(session.id))
    assert (await within(session.get(one))).status == 404


EVENTS: dict[str, Any] = {
    "data that is not UTF-8": {"data": NOT_UTF8},
    "data that is not JSON": {"data": "{"},
    "data of another shape": {"data": "[]"},
    "no data": {"data": None},
    "no previous event": {"previous": None},
    "no event that it follows": {"follows": None},
    "a malformed position": {"follows": "x", "previous": "x"},
}


async def _change_last_event(redis: Any, session: Session, changes: dict[str, Any]) -> None:
    """Change fields of the last event of the log; None removes one."""
    key = keys.events(session.id)
    [(position, fields)] = await redis.xrevrange(key, count=1)
    await redis.xdel(key, position)
    changed = {name: value for name, value in (fields | changes).items() if value is not None}
    await redis.execute_command("XADD", key, _again(position), *_flat(changed))
    await redis.hset(keys.tails(session.id), fields["stream"], _again(position))
    await redis.hset(keys.tails(session.id), "newest", _again(position))


def _again(position: str) -> str:
    milliseconds, number = position.split("-")
    return f"{milliseconds}-{int(number) + 1}"


def _flat(fields: dict[str, Any]) -> list[Any]:
    return [part for field in fields.items() for part in field]


@pytest.mark.parametrize("changes", EVENTS.values(), ids=EVENTS.keys())
async def test_an_event_that_cannot_be_read_ends_its_stream_and_the_session_goes_on(
    one: Process,
    other: Process,
    session: Session,
    redis: Any,
    changes: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = await session.listen(one)
    opening = await stream.next_block()
    assert opening is not None
    assert opening.id is not None
    await stream.drop()
    name, _, _ = opening.id.partition("_")
    await one.runtime.log.append(session.id, name, notification("notifications/message"))
    await _change_last_event(redis, session, changes)
    resumed = await session.get(other, opening.id)
    if "follows" not in changes or "previous" in changes:
        assert resumed.status == 400
        assert "event cannot be read" in caplog.text or "previous" in changes
    fresh = await session.listen(other)
    assert await status_of(session, other) == 200
    await other.runtime.log.append(session.id, "pending", notification("notifications/message"))
    assert (await fresh.next_message())["method"] == "notifications/message"
    assert "crashed" not in caplog.text


@pytest.mark.parametrize("changes", EVENTS.values(), ids=EVENTS.keys())
async def test_an_event_that_cannot_be_read_does_not_disturb_the_streams_of_others(
    one: Process, other: Process, session: Session, redis: Any, changes: dict[str, Any]
) -> None:
    held, again = Held(one), Held(other)
    again.go.set()
    stream = await session.post(one, call_held())
    await stream.next_event()
    await one.runtime.log.append(session.id, "g0123456789abcdef", notification("notifications/message"))
    await _change_last_event(redis, session, changes)
    held.go.set()
    assert text_of((await stream.messages())[-1]) == "result"


PENDING: dict[str, dict[str, Any]] = {
    "no message": {"stream": "pending"},
    "other fields": {"of_a_later_release": "1"},
    "not UTF-8": {"stream": "pending", "data": NOT_UTF8},
    "not JSON": {"stream": "pending", "data": "{"},
}


@pytest.mark.parametrize("fields", PENDING.values(), ids=PENDING.keys())
async def test_a_pending_message_that_cannot_be_read_is_dropped_and_the_next_one_arrives(
    one: Process, session: Session, redis: Any, fields: dict[Any, Any]
) -> None:
    await redis.xadd(keys.pending(session.id), fields)
    await one.runtime.log.append(session.id, "pending", notification("notifications/message"))
    stream = await session.listen(one)
    assert (await stream.next_message())["method"] == "notifications/message"


async def test_a_pending_message_with_fields_of_a_later_release_arrives(
    one: Process, session: Session, redis: Any
) -> None:
    data = json.dumps(notification("notifications/message"))
    await redis.xadd(keys.pending(session.id), {"of_a_later_release": "1", "stream": "pending", "data": data})
    stream = await session.listen(one)
    assert (await stream.next_message())["method"] == "notifications/message"


REGISTRATIONS: dict[str, tuple[str | bytes, bool]] = {
    "not UTF-8": (NOT_UTF8, False),
    "not JSON": ("{", False),
    "another shape": ("[1]", False),
    "no request": ('{"by": "x", "losses": 0}', False),
    "a malformed request": ('{"by": "x", "losses": 0, "request": {"id": 1}}', True),
    "an unknown number of losses": ('{"by": "x", "losses": "?", "request": {"id": 1}}', True),
}


@pytest.mark.parametrize(("registration", "is_answered"), REGISTRATIONS.values(), ids=REGISTRATIONS.keys())
async def test_a_lost_call_that_cannot_be_read_is_given_up_once(
    one: Process,
    other: Process,
    session: Session,
    redis: Any,
    running_for_long: None,
    registration: str | bytes,
    is_answered: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    Held(one)
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    await one.runtime.calls.stop()
    await stream.drop()
    [name] = await redis.hkeys(keys.calls(session.id))
    await redis.hset(keys.calls(session.id), name, registration)
    await redis.delete(keys.lease(session.id, name))
    resumed = await session.get(other, last.id)
    messages = await resumed.messages()
    assert [message["error"]["data"] for message in messages] == [{"reason": "worker_lost"}] * is_answered
    assert not await redis.exists(keys.calls(session.id))
    assert "cannot be read" in caplog.text
    assert (await session.get(other, last.id)).status == (200 if is_answered else 204)
    assert await status_of(session, other) == 200


async def test_a_call_that_cannot_be_read_is_left_alone_while_its_process_lives(
    one: Process, other: Process, session: Session, redis: Any
) -> None:
    Held(one)
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    [name] = await redis.hkeys(keys.calls(session.id))
    await redis.hset(keys.calls(session.id), name, '{"of": "a later release"}')
    await redis.set(keys.lease(session.id, name), "its process", px=60_000)
    resumed = await session.get(other, last.id)
    assert resumed.status == 200
    record = await other.runtime.sessions.get(session.id)
    assert record is not None
    assert await other.runtime.recovery.recover_if_lost(record, name)
    assert await redis.hexists(keys.calls(session.id), name)


@pytest.mark.parametrize("answer", [NOT_UTF8, "{", "[1]", "{}", '{"result": 1}', '{"error": {}}'], ids=str)
async def test_an_answer_of_the_client_that_cannot_be_read_fails_the_request(
    one: Process, session: Session, redis: Any, answer: Any
) -> None:
    stream = await session.post(one, tool_call("test_sampling", {"prompt": "x"}))
    asked = await stream.next_message()
    await redis.set(keys.answer(session.id, asked["id"]), answer, ex=60)
    await one.runtime.bus.send(
        one.runtime.bus.address, {"type": "client.answered", "session": session.id, "request": asked["id"]}
    )
    assert (await stream.messages())[-1]["result"]["isError"]


@pytest.mark.parametrize("value", [NOT_UTF8, "x", "ä"], ids=str)
async def test_a_value_of_a_tool_that_cannot_be_read_is_not_there(
    one: Process, session: Session, redis: Any, value: Any
) -> None:
    record = await one.runtime.sessions.get(session.id)
    assert record is not None
    data = one.runtime.sessions.data(record)
    await data.set("good", b"1")
    await data.set("bad", b"1")
    await redis.hset(keys.data(session.id), "bad", value)
    assert (await data.get("good"), await data.get("bad")) == (b"1", None)


async def test_the_address_of_no_process_in_the_directory_disturbs_nothing(
    one: Process, other: Process, session: Session, redis: Any
) -> None:
    for address in (NOT_UTF8, "", "no process", "x" * 1000):
        await redis.zadd(keys.processes(session.id), {address: 10**12})
    one.runtime.server.add_tool(say_something, structured_output=False)
    assert text_of(await session.call(one, "say_something", progress=1)) == "said"
    stream = await session.listen(other)
    await one.runtime.log.append(session.id, "pending", notification("notifications/message"))
    assert (await stream.next_message())["method"] == "notifications/message"


async def test_numbers_of_streams_that_cannot_be_read_are_left_out_of_the_list(
    one: Process, session: Session, redis: Any
) -> None:
    await redis.hset("mcp:streams:{a later release}", mapping={session.id: "many", "x": NOT_UTF8})
    await replaced(redis, "mcp:streams:{another}")
    await replaced(redis, keys.calls(session.id))

    def listed() -> list[overview.Session]:
        with overview.connected() as client:
            return overview.live_sessions(client, limit=10_000).sessions

    try:
        sessions = await asyncio.to_thread(listed)
        assert session.id in {each.id for each in sessions}
    finally:
        await redis.delete("mcp:streams:{a later release}", "mcp:streams:{another}")
