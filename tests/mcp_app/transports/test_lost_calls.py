"""Calls whose process died: whoever reads the stream settles them, once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp.types import ToolAnnotations

from mcp_app.calls.registry import MAX_REQUEST_BYTES
from mcp_app.exceptions import Store, Unavailable
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import Reader
from mcp_app.sessions.events import START, Event
from mcp_app.sessions.record import SessionRecord
from tests.mcp_app.transports.support import Held, Process, Session, call_held, text_of, tool_call, within
from tests.support.asgi import Response, ServerSentEvent
from tests.support.waiting import eventually

IDEMPOTENT = ToolAnnotations(idempotent_hint=True)


@pytest.fixture(autouse=True)
def short_leases(mcp_settings: Any) -> None:
    mcp_settings.MCP_LEASE_SECONDS = 1.0
    mcp_settings.MCP_KEEP_ALIVE_SECONDS = 0.2
    mcp_settings.MCP_STREAM_AFTER_SECONDS = 0.05


@pytest.fixture(autouse=True)
def running_for_long_or_not(request: pytest.FixtureRequest) -> None:
    """The processes have been `running_for_long`, unless the test asks for `just_started`."""
    if "just_started" not in request.fixturenames:
        request.getfixturevalue("running_for_long")


@pytest.fixture
def just_started(mcp_settings: Any) -> None:
    """The processes have reached Redis for less than the time of a lease, throughout the test."""
    mcp_settings.MCP_LEASE_SECONDS = 1000.0


async def _die(at: Process, session: Session, stream: Response) -> None:
    """Let a process die during its calls, and their leases expire."""
    await at.runtime.calls.stop()  # without a word to Redis, as by SIGKILL
    await stream.drop()
    for name in await at.runtime.redis.hkeys(keys.calls(session.id)):
        await at.runtime.redis.delete(keys.lease(session.id, str(name)))


async def _call_and_die(at: Process, session: Session) -> ServerSentEvent:
    """Make a call and let its process die during it; returns the last event of the call."""
    stream = await session.post(at, call_held())
    last = await stream.next_event()
    await _die(at, session, stream)
    return last


async def _record(at: Process, session: Session) -> SessionRecord:
    record = await at.runtime.sessions.get(session.id)
    assert record is not None
    return record


async def _stream_of_the_call(at: Process, session: Session) -> str:
    [name] = await at.runtime.redis.hkeys(keys.calls(session.id))
    return str(name)


async def _answers(at: Process, session: Session, stream: str) -> list[Event]:
    events = await Reader(at.runtime.streams.log, session.id, {stream: START}).read()
    return [event for event in events if event.final]


async def test_a_lost_call_that_is_not_safe_to_repeat_gets_an_error(
    one: Process, other: Process, session: Session
) -> None:
    Held(one)
    repeated = Held(other)
    last = await _call_and_die(one, session)
    answer = (await (await session.get(other, last.id)).messages())[-1]
    assert answer["id"] == 1
    assert answer["error"]["code"] == -32603
    assert answer["error"]["data"] == {"reason": "worker_lost"}
    assert repeated.runs == 0


async def test_a_lost_call_that_is_safe_to_repeat_is_re_run_elsewhere(
    one: Process, other: Process, session: Session
) -> None:
    Held(one, annotations=IDEMPOTENT)
    repeated = Held(other, annotations=IDEMPOTENT)
    repeated.go.set()
    last = await _call_and_die(one, session)
    answer = (await (await session.get(other, last.id)).messages())[-1]
    assert text_of(answer) == "result"
    assert repeated.runs == 1


async def test_a_lost_call_with_a_request_that_is_too_large_to_store_gets_an_error(
    one: Process, other: Process, session: Session
) -> None:
    Held(one, annotations=IDEMPOTENT)
    repeated = Held(other, annotations=IDEMPOTENT)
    stream = await session.post(one, call_held("x" * MAX_REQUEST_BYTES))
    last = await stream.next_event()
    calls = keys.calls(session.id)
    [name] = await one.runtime.redis.hkeys(calls)
    assert await one.runtime.redis.hstrlen(calls, name) < 1000
    await _die(one, session, stream)
    answer = (await (await session.get(other, last.id)).messages())[-1]
    assert answer["id"] == 1
    assert answer["error"]["data"] == {"reason": "worker_lost"}
    assert repeated.runs == 0


@pytest.mark.slow
@pytest.mark.parametrize("is_written", [False, True])
async def test_a_lost_call_that_could_not_be_registered_again_is_recovered_by_the_next_reader(
    one: Process, other: Process, session: Session, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    held = Held(one, annotations=IDEMPOTENT)
    repeated = Held(other, annotations=IDEMPOTENT)
    await other.runtime.start()
    write, attempts = other.runtime.registry.write, 0

    async def fail_at_first(*args: Any, is_first: bool = False, **options: Any) -> str | None:
        nonlocal attempts
        attempts += is_first
        if is_first and attempts == 1:
            if is_written:  # and only the reply is lost
                await write(*args, is_first=is_first, **options)
            raise Unavailable(Store.SESSIONS, "down")
        return await write(*args, is_first=is_first, **options)

    monkeypatch.setattr(other.runtime.registry, "write", fail_at_first)
    stream = await session.post(one, call_held(quiet=True))
    opening = await stream.next_block()
    await within(held.started.wait())
    await _die(one, session, stream)
    assert opening is not None
    resumed = await session.get(other, opening.id)
    await eventually(lambda: repeated.runs == 1)
    assert attempts == 2
    assert len(other.runtime.calls) == 1
    repeated.go.set()
    assert text_of((await resumed.messages())[-1]) == "result"


async def test_the_progress_of_a_re_run_call_never_goes_backwards(
    one: Process, other: Process, session: Session
) -> None:
    Held(one, annotations=IDEMPOTENT)
    repeated = Held(other, annotations=IDEMPOTENT)
    repeated.go.set()
    last = await _call_and_die(one, session)
    messages = await (await session.get(other, last.id)).messages()
    assert [m["params"]["progress"] for m in messages if "params" in m] == [2]


async def test_a_re_run_call_reports_progress_that_an_earlier_call_with_the_same_token_reached(
    one: Process, other: Process, session: Session
) -> None:
    started = asyncio.Event()

    async def silent() -> None:
        started.set()
        await asyncio.Event().wait()

    one.runtime.server.add_tool(silent, name="late", annotations=IDEMPOTENT)
    Held(one).go.set()
    Held(other, "late", annotations=IDEMPOTENT).go.set()
    earlier = await (await session.post(one, tool_call("held", id=1, progress="same"))).messages()
    assert len(earlier) == 3
    stream = await session.post(one, tool_call("late", id=2, progress="same"))
    opening = await stream.next_block()
    await within(started.wait())
    await _die(one, session, stream)
    assert opening is not None
    messages = await (await session.get(other, opening.id)).messages()
    assert [m["params"]["progress"] for m in messages if "params" in m] == [1, 2]


@pytest.mark.slow
async def test_several_readers_settle_a_lost_call_once(
    one: Process, other: Process, session: Session
) -> None:
    Held(one, annotations=IDEMPOTENT)
    repeated = Held(other, annotations=IDEMPOTENT)
    repeated.go.set()
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    await one.runtime.calls.stop()  # the lease expires when all the readers are there
    await stream.drop()
    readers = [await session.get(other, last.id) for _ in range(3)]
    answers = await asyncio.gather(*(reader.messages() for reader in readers))
    # Each came in place of the one before it, which was told to come back.
    assert [len([m for m in messages if "id" in m]) for messages in answers] == [0, 0, 1]
    assert text_of(answers[-1][-1]) == "result"
    assert repeated.runs == 1


@pytest.mark.slow
async def test_a_running_call_is_not_settled_by_others(
    one: Process, other: Process, session: Session
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    resumed = await session.get(other, last.id)
    for _ in range(8):  # longer than a lease
        block = await resumed.next_block()
        assert block is not None
        assert not block.data
    held.go.set()
    assert text_of((await resumed.messages())[-1]) == "result"
    assert held.runs == 1


async def test_a_call_that_ends_during_its_recovery_is_not_settled_twice(
    one: Process, other: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(one)
    repeated = Held(other)
    stream = await session.post(one, call_held())
    await stream.next_event()
    await other.runtime.start()
    record = await _record(other, session)
    name = await _stream_of_the_call(other, session)
    hget = other.runtime.redis.hget

    async def ends_after_this(*args: Any) -> Any:
        registered = await hget(*args)
        held.go.set()
        await stream.messages()

        async def is_settled() -> bool:
            return not await other.runtime.redis.exists(keys.lease(session.id, str(name)))

        await eventually(is_settled)
        return registered

    monkeypatch.setattr(other.runtime.redis, "hget", ends_after_this)
    assert not await other.runtime.recovery.recover_if_lost(record, name)
    monkeypatch.undo()
    answers = await _answers(other, session, name)
    assert len(answers) == 1
    assert repeated.runs == 0
    assert not await other.runtime.redis.exists(keys.lease(session.id, str(name)))


async def test_a_process_that_was_presumed_dead_cannot_answer(
    one: Process, other: Process, session: Session
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    await stream.next_event()
    name = await _stream_of_the_call(one, session)
    await other.runtime.start()
    record = await _record(other, session)
    await one.runtime.redis.delete(keys.lease(session.id, name))  # it stood still for longer than its lease
    assert await other.runtime.recovery.recover_if_lost(record, name)
    held.go.set()
    await eventually(lambda: len(one.runtime.calls) == 0)
    answers = await _answers(other, session, name)
    assert ["worker_lost" in event.data for event in answers] == [True]


@pytest.mark.slow
async def test_a_process_that_was_presumed_dead_gives_up_a_call_that_runs_elsewhere(
    one: Process, other: Process, session: Session
) -> None:
    stalled = Held(one, annotations=IDEMPOTENT)
    repeated = Held(other, annotations=IDEMPOTENT)
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    await stream.drop()
    name = await _stream_of_the_call(one, session)
    # Another process has taken the lease while this one stood still.
    await one.runtime.redis.set(keys.lease(session.id, name), "another process", ex=1)
    await eventually(lambda: stalled.was_cancelled)
    repeated.go.set()
    messages = await (await session.get(other, last.id)).messages()
    assert [m["params"]["message"] for m in messages if "params" in m] == ["second"]
    assert text_of(messages[-1]) == "result"


async def test_a_lost_call_is_re_run_although_its_person_is_at_the_limit(
    one: Process, other: Process, mcp_settings: Any
) -> None:
    mcp_settings.MCP_MAX_CALLS = 1
    session = await Session.open(one)
    Held(one, annotations=IDEMPOTENT)
    repeated = Held(other, annotations=IDEMPOTENT)
    last = await _call_and_die(one, session)
    Held(other, name="busy")
    await (await session.post(other, call_held(id=2, name="busy"))).next_event()
    repeated.go.set()
    assert text_of((await (await session.get(other, last.id)).messages())[-1]) == "result"


async def test_a_call_that_crashes_one_process_after_another_is_given_up(
    one: Process, other: Process, session: Session
) -> None:
    first, second = Held(one, annotations=IDEMPOTENT), Held(other, annotations=IDEMPOTENT)
    last = await _call_and_die(one, session)
    first.started.clear()
    for process, held in ((other, second), (one, first)):
        stream = await session.get(process, last.id)
        await within(held.started.wait())
        await _die(process, session, stream)
    answer = (await (await session.get(other, last.id)).messages())[-1]
    assert answer["error"]["data"] == {"reason": "worker_lost"}
    assert first.runs + second.runs == 3


async def test_a_call_is_handed_over_at_every_orderly_shutdown(
    one: Process, other: Process, session: Session
) -> None:
    held = {one: Held(one, annotations=IDEMPOTENT), other: Held(other, annotations=IDEMPOTENT)}
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    for leaving, process in ((one, other), (other, one), (one, other), (other, one)):
        held[process].started.clear()
        await leaving.runtime.calls.drain()
        await stream.drop()
        stream = await session.get(process, last.id)
        await within(held[process].started.wait())
    held[one].go.set()
    assert text_of((await stream.messages())[-1]) == "result"


@pytest.mark.usefixtures("just_started")
async def test_a_call_whose_lease_has_expired_is_left_alone_by_a_process_that_has_just_started(
    one: Process, other: Process, session: Session
) -> None:
    held, repeated = Held(one, annotations=IDEMPOTENT), Held(other, annotations=IDEMPOTENT)
    stream = await session.post(one, call_held())
    await stream.next_event()
    name = await _stream_of_the_call(one, session)
    await one.runtime.redis.delete(keys.lease(session.id, name))  # as in an outage, or as if it had died
    await other.runtime.start()
    assert await other.runtime.recovery.recover_if_lost(await _record(other, session), name)
    held.go.set()
    assert text_of((await stream.messages())[-1]) == "result"
    assert repeated.runs == 0


@pytest.mark.usefixtures("just_started")
async def test_a_call_that_was_handed_over_is_resumed_at_once_by_a_process_that_has_just_started(
    one: Process, other: Process, session: Session
) -> None:
    Held(one, annotations=IDEMPOTENT)
    repeated = Held(other, annotations=IDEMPOTENT)
    repeated.go.set()
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    await one.runtime.calls.drain()
    await stream.drop()
    assert text_of((await (await session.get(other, last.id)).messages())[-1]) == "result"
    assert repeated.runs == 1


async def test_a_call_that_cannot_be_registered_at_shutdown_does_not_keep_the_others_from_being_handed_over(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_STREAM_AFTER_SECONDS = 3.0
    held, quiet = Held(one), Held(one, "quiet")
    await (await session.post(one, call_held())).next_event()
    damaged = await Session.open(one)
    await one.runtime.redis.set(keys.calls(damaged.id), "no hash", ex=60)
    answering = asyncio.create_task(damaged.post(one, call_held(quiet=True, name="quiet")))
    await within(quiet.started.wait())
    await within(one.runtime.calls.drain())
    registered = await one.runtime.registry.find(session.id, await _stream_of_the_call(one, session))
    assert registered is not None
    assert registered.is_handed_over
    assert held.was_cancelled
    assert quiet.was_cancelled
    answering.cancel()
