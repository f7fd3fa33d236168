"""Calls whose response is an event stream: dropped, resumed elsewhere, polled, and cancelled."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from mcp.server.mcpserver import Context

from mcp_app.conf import conf
from mcp_app.sessions import keys
from mcp_app.sessions.events import PENDING
from mcp_app.sessions.streams import RESUMED_ELSEWHERE
from tests.mcp_app.transports.support import (
    OLDER,
    Held,
    Process,
    Session,
    call_held,
    notification,
    open_of,
    text_of,
    tool_call,
    within,
)
from tests.support.asgi import Response
from tests.support.waiting import eventually

FOREIGN_EVENT_IDS = (
    "1",
    "unknown",
    "r0_0-0",
    "r0000000000000000_0-0",
    "r0000000000000000_99999999999999999999-0",
    "g0000000000000000_0-0",
    "g0000000000000000_1-0",
    "g0123456789abcdef_0-0",
    "r0123456789abcdef_1795385535728-0",
    "x" * 5000,
    "g_0-0",
    "é",
    "r*_0-0",
)
NO_ID_IN_FLIGHT: list[Any] = [None, True, [1], {}, 2**70, -(2**70), "1", 2, 1.5, "\n"]


async def _assert_nothing_follows(response: Response) -> None:
    assert (response.status, await response.body()) == (204, b"")
    assert "content-type" not in response.headers, "a stream that is empty would be reconnected to"


def _cancelled(id: Any) -> dict[str, Any]:
    return notification("notifications/cancelled", {"requestId": id, "reason": "no more"})


@pytest.mark.parametrize("revision", OLDER)
async def test_a_stream_begins_with_a_priming_event_since_2025_11_25(one: Process, revision: str) -> None:
    session = await Session.open(one, revision=revision)
    stream = await session.post(one, tool_call("test_tool_with_progress", progress=1))
    first = await stream.next_block()
    assert first is not None
    if revision == "2025-11-25":
        assert first.id
        assert (first.data, first.retry) == ("", conf.retry_milliseconds)
    else:
        assert (first.id, first.data, first.comment) == (None, None, "keep-alive")


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_streams_carry_headers_against_buffering(one: Process, session: Session, method: str) -> None:
    stream = await (
        session.post(one, tool_call("test_tool_with_progress", progress=1))
        if method == "POST"
        else session.get(one)
    )
    assert stream.content_type == "text/event-stream"
    assert stream.headers["x-accel-buffering"] == "no"
    assert {"no-cache", "no-transform"} <= set(stream.headers["cache-control"].split(", "))
    assert "content-encoding" not in stream.headers
    assert stream.headers["x-content-type-options"] == "nosniff"


async def test_the_ids_of_a_stream_are_unique_and_name_it(one: Process, session: Session) -> None:
    streams = [
        await session.post(one, tool_call("test_tool_with_progress", id=i, progress=i)) for i in (1, 2)
    ]
    ids = [[event.id or "" async for event in stream.events()] for stream in streams]
    assert [len(set(some)) for some in ids] == [4, 4]
    names = [{id.partition("_")[0] for id in some} for some in ids]
    assert [len(some) for some in names] == [1, 1]
    assert names[0] != names[1]


async def test_a_silent_call_becomes_a_stream_with_keep_alives(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_STREAM_AFTER_SECONDS = 0.05
    mcp_settings.MCP_KEEP_ALIVE_SECONDS = 0.05
    held = Held(one)
    stream = await session.post(one, call_held(quiet=True))
    assert stream.content_type == "text/event-stream"
    blocks = [await stream.next_block() for _ in range(3)]
    assert [block.comment for block in blocks[1:] if block] == ["keep-alive", "keep-alive"]
    held.go.set()
    assert text_of(await stream.next_message()) == "result"
    assert await stream.next_block() is None


async def test_a_call_that_is_answered_while_its_client_reconnects_is_resumed(
    one: Process, other: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    place = (await stream.next_event()).id
    await stream.drop()
    can_replay = other.runtime.log.can_replay

    async def can_replay_and_then_the_call_ends(session_id: str, stream: str, after: str) -> Any:
        found = await can_replay(session_id, stream, after)
        held.go.set()

        async def has_ended() -> bool:
            return not await one.runtime.redis.exists(keys.calls(session_id))

        await eventually(has_ended)
        return found

    monkeypatch.setattr(other.runtime.log, "can_replay", can_replay_and_then_the_call_ends)
    resumed = await session.get(other, place)
    assert resumed.status == 200, await resumed.body()
    assert text_of((await resumed.messages())[-1]) == "result"


async def test_a_call_outlives_its_connection_and_is_resumed_at_another_process_exactly_once_in_order(
    one: Process, other: Process, session: Session
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    first = await stream.next_event()
    assert first.message["params"]["message"] == "first"
    await stream.drop()
    assert not held.was_cancelled
    resumed = await session.get(other, first.id)
    assert resumed.status == 200
    held.go.set()
    second, answer = await resumed.messages()
    assert second["params"]["message"] == "second"
    assert text_of(answer) == "result"
    assert held.runs == 1


async def test_missed_events_are_replayed_from_any_position_after_the_call_has_ended(
    one: Process, other: Process, session: Session
) -> None:
    stream = await session.post(one, tool_call("test_tool_with_progress", progress=1))
    primed = await stream.next_block()
    assert primed is not None
    events = [event async for event in stream.events()]
    ids = [primed.id, *(event.id for event in events)]
    for process in (other, one):
        for place, last_seen in enumerate(ids[:-1]):
            resumed = await session.get(process, last_seen)
            assert [event.id async for event in resumed.events()] == ids[place + 1 :]


async def test_a_resumed_stream_replays_no_other_stream(
    one: Process, other: Process, session: Session
) -> None:
    mine = await session.post(one, tool_call("test_tool_with_progress", id="mine", progress="mine"))
    first = await mine.next_event()
    theirs = await session.post(one, tool_call("test_tool_with_progress", id="theirs", progress="theirs"))
    await theirs.messages()
    *notified, answer = await (await session.get(other, first.id)).messages()
    assert answer["id"] == "mine"
    assert {message["params"]["progressToken"] for message in notified} == {"mine"}


async def test_a_call_continues_if_its_client_disconnects_before_the_stream_begins(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_STREAM_AFTER_SECONDS = 30
    held = Held(one)
    posting = asyncio.create_task(session.post(one, call_held(quiet=True)))
    await within(held.started.wait())
    response = one.http.responses[-1]
    response.leave()
    held.go.set()
    await within(held.ended.wait())
    assert not held.was_cancelled
    await within(posting)


@pytest.mark.parametrize("id", FOREIGN_EVENT_IDS)
async def test_an_unknown_or_malformed_last_event_id_replays_nothing(
    one: Process, session: Session, id: str
) -> None:
    response = await session.get(one, id)
    assert (response.status, response.content_type) == (400, "application/json")
    refusal = await response.json()
    assert (refusal["id"], refusal["error"]["code"]) == (None, -32600)
    assert "Last-Event-ID" in refusal["error"]["message"]


async def test_an_id_that_has_fallen_out_of_the_log_is_refused_and_the_reason_logged(
    one: Process, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    stream = await session.post(one, tool_call("test_tool_with_progress", progress=1))
    first, *_ = [event async for event in stream.events()]
    await one.runtime.redis.xtrim(f"mcp:events:{{{session.id}}}", maxlen=1, approximate=False)
    caplog.set_level(logging.INFO)
    assert (await session.get(one, first.id)).status == 400
    [line] = [each for each in caplog.records if each.getMessage() == "Last-Event-ID rejected"]
    assert line.__dict__["session"] == session.id[:8]
    assert line.__dict__["reason"] == "later events were trimmed from the log"


async def test_after_the_response_there_is_nothing_to_resume(one: Process, session: Session) -> None:
    stream = await session.post(one, tool_call("test_tool_with_progress", progress=1))
    *_, last = [event async for event in stream.events()]
    assert "result" in last.message
    await _assert_nothing_follows(await session.get(one, last.id))


async def test_after_an_error_there_is_nothing_to_resume(one: Process, session: Session) -> None:
    async def torn(ctx: Context) -> str:
        await ctx.report_progress(1)
        return "half a character: \ud83d"

    one.runtime.server.add_tool(torn, structured_output=False)
    stream = await session.post(one, tool_call("torn", progress=1))
    *_, last = [event async for event in stream.events()]
    assert "error" in last.message
    await _assert_nothing_follows(await session.get(one, last.id))


async def test_an_id_of_another_sessions_stream_is_unknown(
    one: Process, other: Process, session: Session
) -> None:
    neighbour = await Session.open(one)
    stream = await session.post(one, tool_call("test_tool_with_progress", progress=1))
    *_, last = [event async for event in stream.events()]
    listening = await (await session.listen(one)).next_block()
    assert listening is not None
    for id in (last.id, listening.id):
        assert (await neighbour.get(other, id)).status == 400


async def test_a_tool_can_close_its_stream_and_its_client_polls_for_the_result(
    one: Process, other: Process, session: Session
) -> None:
    stream = await session.post(one, tool_call("test_reconnection"))
    primed = await stream.next_block()
    assert primed is not None
    assert primed.id
    farewell = await stream.next_block()
    assert farewell is not None
    assert primed.retry is not None
    assert farewell.retry is not None
    assert 2000 <= primed.retry <= 3000, "an outage: two attempts of the official clients span it"
    assert farewell.retry < 1000, "no outage: the answer is near"
    assert await stream.next_block() is None
    resumed = await session.get(other, primed.id)
    assert text_of((await resumed.messages())[-1]) == "Reconnection test completed successfully"


@pytest.mark.parametrize("revision", ["2025-03-26", "2025-06-18"])
async def test_no_tool_closes_the_stream_of_a_client_that_cannot_resume_it(
    one: Process, revision: str
) -> None:
    session = await Session.open(one, revision=revision)
    answer = await session.call(one, "test_reconnection")
    assert text_of(answer) == "Reconnection test completed successfully"


async def test_ids_1_and_the_string_1_in_flight_at_once_are_two_requests(
    one: Process, session: Session
) -> None:
    number, string = Held(one, "number"), Held(one, "string")
    streams = [
        await session.post(one, call_held("a number", id=1, name="number")),
        await session.post(one, call_held("a string", id="1", name="string")),
    ]
    await within(asyncio.gather(number.started.wait(), string.started.wait()))
    string.go.set()
    number.go.set()
    answers = [(await stream.messages())[-1] for stream in streams]
    assert [(answer["id"], text_of(answer)) for answer in answers] == [(1, "a number"), ("1", "a string")]


@pytest.mark.parametrize(("id", "spared"), [(1, "1"), ("1", 1), (1, 2), (2**70, 1)])
async def test_a_cancellation_at_any_process_ends_its_call_and_no_other(
    one: Process, other: Process, session: Session, id: Any, spared: Any
) -> None:
    doomed, safe = Held(one, "doomed"), Held(one, "safe")
    stream = await session.post(one, call_held(id=id, name="doomed"))
    spared_stream = await session.post(one, call_held(id=spared, name="safe"))
    await within(asyncio.gather(doomed.started.wait(), safe.started.wait()))
    assert (await session.post(other, _cancelled(id))).status == 202
    await within(doomed.ended.wait())
    assert doomed.was_cancelled
    assert [message for message in await stream.messages() if "id" in message] == []
    assert not safe.ended.is_set()
    safe.go.set()
    assert text_of((await spared_stream.messages())[-1]) == "result"
    await eventually(lambda: len(one.runtime.calls) == 0)


async def test_a_silent_call_that_is_cancelled_gets_no_answer(one: Process, session: Session) -> None:
    held = Held(one)
    posting = asyncio.create_task(session.post(one, call_held(quiet=True)))
    await within(held.started.wait())
    await session.post(one, _cancelled(1))
    response = await within(posting)
    assert held.was_cancelled
    assert response.status == 200
    assert await response.body() == b""


@pytest.mark.parametrize("is_quiet", [True, False])
async def test_a_client_that_resumes_a_cancelled_stream_is_told_to_stop(
    one: Process, other: Process, session: Session, mcp_settings: Any, is_quiet: bool
) -> None:
    mcp_settings.MCP_STREAM_AFTER_SECONDS = 0
    held = Held(one)
    stream = await session.post(one, call_held(quiet=is_quiet))
    known = await (stream.next_block() if is_quiet else stream.next_event())
    assert known is not None
    await within(held.started.wait())
    await session.post(one, _cancelled(1))
    assert await stream.messages() == []
    for process in (one, other):
        await _assert_nothing_follows(await session.get(process, known.id))


async def test_a_client_that_resumes_a_cancelled_stream_earlier_gets_the_rest_and_no_response(
    one: Process, other: Process, session: Session
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    primed = await stream.next_block()
    assert primed is not None
    said = await stream.next_event()
    await session.post(one, _cancelled(1))
    assert await stream.messages() == []
    resumed = await session.get(other, primed.id)
    assert [event.id async for event in resumed.events()] == [said.id]
    await within(held.ended.wait())


async def test_cancelled_streams_are_remembered_for_a_while_and_not_too_many(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_STREAM_AFTER_SECONDS = 0
    mcp_settings.MCP_EVENT_LOG_LENGTH = 2
    held = Held(one)
    ends = keys.tails(session.id)
    for n in range(5):
        held.started.clear()
        stream = await session.post(one, call_held(quiet=True, id=n))
        await within(held.started.wait())
        await session.post(one, _cancelled(n))
        assert await stream.messages() == []
        assert await one.runtime.redis.hlen(ends) < 4
    assert 0 < await one.runtime.redis.ttl(ends) <= conf.session_idle_seconds


@pytest.mark.parametrize(
    "params",
    [None, {}, *({"requestId": id} for id in NO_ID_IN_FLIGHT)],
    ids=repr,
)
async def test_a_cancellation_of_nothing_cancels_nothing(one: Process, session: Session, params: Any) -> None:
    held = Held(one)
    stream = await session.post(one, call_held(id=1))
    await within(held.started.wait())
    response = await session.post(one, notification("notifications/cancelled", params))
    assert response.status == 202
    assert await response.body() == b""
    held.go.set()
    assert text_of((await stream.messages())[-1]) == "result"


async def test_another_session_of_the_same_user_cannot_cancel(one: Process, session: Session) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    await within(held.started.wait())
    neighbour = await Session.open(one)
    await neighbour.post(one, _cancelled(1))
    held.go.set()
    assert text_of((await stream.messages())[-1]) == "result"


async def test_delete_at_one_process_ends_the_calls_and_streams_of_the_other(
    one: Process, other: Process, session: Session
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    listening = await session.listen(one)
    await listening.next_block()
    await within(held.started.wait())
    assert (await session.delete(other)).status == 204
    await within(held.ended.wait())
    assert held.was_cancelled
    assert [message for message in await stream.messages() if "id" in message] == []
    assert await listening.messages() == []
    await eventually(lambda: len(one.runtime.streams) == 0)
    await eventually(lambda: len(one.runtime.calls) == 0)


async def test_nothing_is_left_in_the_process_when_all_is_done(one: Process, session: Session) -> None:
    await (await session.post(one, tool_call("test_tool_with_progress", progress=1))).messages()
    listening = await session.listen(one)
    await listening.next_block()
    await listening.drop()
    await eventually(lambda: len(one.runtime.streams) == 0 and len(one.runtime.calls) == 0)


@pytest.mark.usefixtures("streams_soon")
@pytest.mark.parametrize("listens", [False, True])
async def test_of_connections_that_resume_a_stream_at_once_only_the_latest_gets_its_messages(
    one: Process, other: Process, session: Session, listens: bool
) -> None:
    held = Held(one)
    first = await (session.listen(one) if listens else session.post(one, call_held(quiet=True)))
    position = await first.next_block()
    assert position is not None
    await other.runtime.start()
    resumed = await asyncio.gather(*(session.get(at, position.id) for at in (one, other, one, one, other)))
    assert [each.status for each in resumed] == [200] * 5
    await eventually(lambda: len(open_of(resumed)) == 1)
    [latest] = open_of(resumed)
    if listens:
        await one.runtime.log.append(session.id, PENDING, notification("notifications/n"))
        assert (await latest.next_message())["method"] == "notifications/n"
    else:
        held.go.set()
        assert text_of((await latest.messages())[-1]) == "result"
    assert [await each.messages() for each in resumed if each is not latest] == [[]] * 4


async def test_a_stream_is_closed_elsewhere_before_it_is_resumed(
    one: Process, other: Process, session: Session
) -> None:
    """A message that closes the old connection and arrives late would close a newer one."""
    held = Held(one)
    closed: list[str] = []
    one.runtime.bus.on(RESUMED_ELSEWHERE, lambda message: closed.append(message["stream"]))
    first = await session.post(one, call_held())
    event = await first.next_event()
    assert event.id is not None
    await session.get(other, event.id)
    assert closed == [event.id.partition("_")[0]]
    held.go.set()
