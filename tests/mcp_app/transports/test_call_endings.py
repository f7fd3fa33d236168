"""How calls end when something interferes: each is answered at most once, and none runs on for nobody."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from mcp.server.mcpserver import Context
from mcp.types import ToolAnnotations
from mcp_types import JSONRPCRequest

from mcp_app.calls.state import State
from mcp_app.coordination.layer import channel_layer
from mcp_app.exceptions import Store, Unavailable
from mcp_app.sessions import keys
from mcp_app.sessions.store import SESSION_ENDED
from tests.mcp_app.transports.support import (
    LATEST,
    MODERN,
    Held,
    Process,
    Session,
    call_held,
    modern,
    notification,
    text_of,
    tool_call,
    within,
)
from tests.support.asgi import Response
from tests.support.waiting import eventually

IDEMPOTENT = ToolAnnotations(idempotent_hint=True)


@pytest.mark.parametrize("says_something", [True, False], ids=["stream", "json"])
async def test_a_handler_that_cancels_itself_causes_an_internal_error(
    one: Process, session: Session, says_something: bool
) -> None:
    async def waits_for_what_is_cancelled(ctx: Context) -> str:
        if says_something:
            await ctx.report_progress(1)
        waiting = asyncio.create_task(asyncio.Event().wait())
        waiting.cancel()
        await waiting
        return "never"

    one.runtime.server.add_tool(waits_for_what_is_cancelled, name="strange", structured_output=False)
    response = await session.post(one, tool_call("strange", progress="p"))
    answer = (await response.messages())[-1] if says_something else await response.json()
    assert answer["error"]["code"] == -32603
    await eventually(lambda: len(one.runtime.calls) == 0)


async def test_an_answer_that_is_being_stored_is_not_interrupted_by_a_cancellation(
    one: Process, other: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = one.runtime.registry.write
    writing, go_on = asyncio.Event(), asyncio.Event()

    async def answer_slowly(*args: Any, **options: Any) -> str | None:
        if options.get("is_final"):
            writing.set()
            await go_on.wait()
        return await write(*args, **options)

    monkeypatch.setattr(one.runtime.registry, "write", answer_slowly)
    held = Held(one, annotations=IDEMPOTENT)
    stream = await session.post(one, call_held())
    await stream.next_event()
    held.go.set()
    await within(writing.wait())
    await session.post(other, notification("notifications/cancelled", {"requestId": 1}))
    await session.post(one, notification("notifications/cancelled", {"requestId": 1}))
    go_on.set()
    assert [message["id"] for message in await stream.messages() if "id" in message] == [1]
    assert held.runs == 1


async def test_the_calls_of_an_ended_session_are_cancelled_even_without_an_announcement(
    one: Process, other: Process, session: Session
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    await stream.next_event()
    channel_layer().loses = SESSION_ENDED
    assert (await session.delete(other)).status == 204
    assert not held.was_cancelled
    await one.runtime.calls.beat()
    await eventually(lambda: held.was_cancelled)
    await eventually(lambda: len(one.runtime.calls) == 0)


async def test_a_long_call_is_cancelled_where_no_copy_of_its_session_is_left(
    one: Process, other: Process, session: Session
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    await stream.next_event()
    await one.runtime.redis.delete(keys.copies(session.id))  # as copies that nobody uses expire
    await session.post(other, notification("notifications/cancelled", {"requestId": 1}))
    await within(held.ended.wait())
    assert held.was_cancelled


@pytest.mark.parametrize("revision", [LATEST, MODERN])
async def test_a_failed_stream_ends_and_does_not_restart(
    one: Process, session: Session, revision: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    send = Response.send

    async def fail_at_progress(self: Response, message: Any) -> None:
        if b"notifications/progress" in message.get("body", b""):
            raise RuntimeError("a fault of ours")
        await send(self, message)

    monkeypatch.setattr(Response, "send", fail_at_progress)
    Held(one)
    message = call_held()
    sending = (
        session.post(one, message) if revision == LATEST else modern(one, "tools/call", message["params"])
    )
    stream = await sending
    assert (stream.status, stream.content_type) == (200, "text/event-stream")
    assert await stream.messages() == []
    assert "a fault of ours" in caplog.text


async def test_a_process_does_not_consider_its_own_running_call_lost(one: Process, session: Session) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    await stream.next_event()
    [name] = await one.runtime.redis.hkeys(keys.calls(session.id))
    record = await one.runtime.sessions.get(session.id)
    assert record is not None
    lease = keys.lease(session.id, str(name))
    await one.runtime.redis.delete(lease)  # as after a time without Redis
    assert await one.runtime.recovery.recover_if_lost(record, str(name))
    assert await one.runtime.redis.exists(lease)
    held.go.set()
    last = (await stream.messages())[-1]
    assert "result" in last
    assert held.runs == 1


@pytest.mark.parametrize("annotations", [None, IDEMPOTENT], ids=["once", "repeatable"])
@pytest.mark.parametrize("says_something", [True, False], ids=["stream", "json"])
async def test_a_result_that_cannot_be_written_as_json_is_an_internal_error(
    one: Process, session: Session, says_something: bool, annotations: ToolAnnotations | None
) -> None:
    async def half_a_character(ctx: Context) -> str:
        if says_something:
            await ctx.report_progress(1)
        return "\ud83d"

    one.runtime.server.add_tool(
        half_a_character, name="half", structured_output=False, annotations=annotations
    )
    response = await session.post(one, tool_call("half", progress="p", id="mine"))
    answer = (await response.messages())[-1] if says_something else await response.json()
    assert (answer["id"], answer["error"]["code"]) == ("mine", -32603)
    await eventually(lambda: len(one.runtime.calls) == 0)
    assert not await one.runtime.redis.exists(keys.calls(session.id))


async def test_a_call_that_ends_just_as_it_becomes_a_stream_is_answered_as_json(
    one: Process, session: Session
) -> None:
    held = Held(one)
    posting = asyncio.create_task(session.post(one, call_held(quiet=True)))
    await held.started.wait()
    [call] = one.runtime.calls._calls[session.id]
    call.state = State.ENDED  # it is done, but the response has not heard of it yet
    await call.register()  # as a process that ends does with all that run
    held.go.set()
    assert text_of(await (await within(posting)).json()) == "result"


@pytest.mark.usefixtures("streams_soon")
async def test_a_call_that_is_cancelled_while_it_is_registered_does_not_stay_registered(
    one: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = one.runtime.registry.write
    registering, go_on, settled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def register_slowly(*args: Any, **options: Any) -> str | None:
        if options.get("is_first"):
            registering.set()
            await go_on.wait()
        written = await write(*args, **options)
        if options.get("is_final"):
            settled.set()
        return written

    monkeypatch.setattr(one.runtime.registry, "write", register_slowly)
    held = Held(one, annotations=IDEMPOTENT)
    posting = asyncio.create_task(session.post(one, call_held(quiet=True)))
    await within(registering.wait())
    await session.post(one, notification("notifications/cancelled", {"requestId": 1}))
    await eventually(lambda: held.was_cancelled)
    with suppress(TimeoutError):  # it must not be settled yet
        await within(settled.wait(), 0.2)
    go_on.set()
    stream = await within(posting)
    assert await stream.messages() == []
    await eventually(lambda: len(one.runtime.calls) == 0)
    assert not await one.runtime.redis.exists(keys.calls(session.id))


async def test_what_a_handler_says_after_its_call_has_ended_does_not_register_it(
    one: Process, session: Session
) -> None:
    has_answered, has_spoken = asyncio.Event(), asyncio.Event()
    tasks = []

    async def speak_late(ctx: Context) -> str:
        async def speak() -> None:
            await has_answered.wait()
            await ctx.report_progress(1)
            has_spoken.set()

        tasks.append(asyncio.create_task(speak()))
        return "answer"

    one.runtime.server.add_tool(speak_late, name="late", structured_output=False)
    assert text_of(await session.call(one, "late", progress="p")) == "answer"
    has_answered.set()
    await within(has_spoken.wait())
    assert not await one.runtime.redis.exists(keys.calls(session.id), keys.events(session.id))


@pytest.mark.usefixtures("running_for_long", "streams_soon")
async def test_an_answer_that_another_process_has_already_given_is_not_lost_in_silence(
    one: Process, other: Process, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held(quiet=True))
    await within(held.started.wait())
    await other.runtime.start()
    [name] = await one.runtime.redis.hkeys(keys.calls(session.id))
    record = await one.runtime.sessions.get(session.id)
    assert record is not None
    await one.runtime.redis.delete(keys.lease(session.id, str(name)))  # it stood still
    assert await other.runtime.recovery.recover_if_lost(record, str(name))
    held.go.set()
    [answer] = await stream.messages()
    assert answer["error"]["data"] == {"reason": "worker_lost"}
    await eventually(lambda: len(one.runtime.calls) == 0)
    assert "another process took over this call; dropping its response" in caplog.text


async def test_a_call_whose_first_message_was_written_without_a_reply_gets_its_response(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await Session.open(one, revision="2025-06-18")  # which cannot resume from the beginning
    held = Held(one)
    await one.runtime.start()
    write = one.runtime.registry.write
    lost: list[str | None] = []

    async def lose_the_first_reply(*args: Any, **options: Any) -> str | None:
        position = await write(*args, **options)
        if not lost:
            lost.append(position)
            raise Unavailable(Store.SESSIONS, "no reply in time")
        return position

    monkeypatch.setattr(one.runtime.registry, "write", lose_the_first_reply)
    posting = asyncio.create_task(session.post(one, call_held()))
    await within(held.started.wait())
    held.go.set()
    messages = await (await posting).messages()
    assert [m["params"]["message"] for m in messages if "params" in m] == ["first", "second"]
    assert text_of(messages[-1]) == "result"


@pytest.mark.parametrize("is_deferred", [False, True])
async def test_a_call_that_is_cancelled_before_its_first_step_leaves_nothing(
    one: Process, session: Session, is_deferred: bool
) -> None:
    record = await one.runtime.sessions.get(session.id)
    assert record is not None
    request = JSONRPCRequest.model_validate(call_held())
    Held(one)
    call = one.runtime.calls.start(record, request, {}, deferred=is_deferred)
    registering = asyncio.create_task(call.register())
    call.cancel()
    await within(asyncio.wait({call.task, registering}))
    await eventually(lambda: len(one.runtime.calls) == 0)
    assert await one.runtime.redis.hlen(keys.calls(session.id)) == 0


@pytest.mark.parametrize("has_begun", [False, True])
async def test_a_call_that_is_stopped_is_counted_no_more_whether_or_not_it_has_begun(
    one: Process, session: Session, has_begun: bool
) -> None:
    record = await one.runtime.sessions.get(session.id)
    assert record is not None
    held = Held(one)
    call = one.runtime.calls.start(record, JSONRPCRequest.model_validate(call_held()), {})
    if has_begun:
        await within(held.started.wait())
    call.stop()
    call.stop()
    await within(asyncio.wait({call.task}))
    assert len(one.runtime.calls) == 0
    assert call.task.cancelled()
