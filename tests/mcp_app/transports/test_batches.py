"""JSON-RPC batches: supported in 2025-03-26, as that revision requires, and in no other."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_app.calls.registry import Registration
from mcp_app.exceptions import Store, Unavailable
from mcp_app.transports.streamable_http import MAX_BATCH
from tests.mcp_app.transports.support import (
    LATEST,
    Held,
    Process,
    Session,
    call_held,
    initialize,
    notification,
    request,
    text_of,
    tool_call,
    within,
)
from tests.support.waiting import eventually

REVISION = "2025-03-26"


@pytest.fixture
async def session(one: Process) -> Session:
    return await Session.open(one, revision=REVISION)


def echo(word: str, id: Any) -> dict[str, Any]:
    return tool_call("echo", {"message": word}, id=id)


async def _answers(response: Any) -> dict[Any, Any]:
    assert (response.status, response.content_type) == (200, "text/event-stream")
    return {message["id"]: message for message in await response.messages() if "method" not in message}


async def test_every_request_of_a_batch_is_answered_under_its_own_id(one: Process, session: Session) -> None:
    answers = await _answers(
        await session.post(
            one, [echo("a", 1), echo("b", "1"), request("ping", id=2), request("nonsense", id=3)]
        )
    )
    assert text_of(answers[1]) == "Echo: a"
    assert text_of(answers["1"]) == "Echo: b"
    assert answers[2]["result"] == {}
    assert answers[3]["error"]["code"] == -32601
    assert len(answers) == 4


async def test_the_calls_of_a_batch_run_at_the_same_time_and_report_progress(
    one: Process, session: Session
) -> None:
    held = Held(one)
    stream = await session.post(one, [call_held("slow", id=1), echo("quick", 2)])
    first, second = await stream.next_message(), await stream.next_message()
    assert {first.get("method"), second.get("method")} == {"notifications/progress", None}
    held.go.set()
    left = await stream.messages()
    assert [text_of(message) for message in left if message.get("id") == 1] == ["slow"]


async def test_a_batch_without_requests_is_accepted(one: Process, session: Session) -> None:
    held = Held(one)
    running = await session.post(one, call_held(id=5))
    await running.next_message()
    cancel = notification("notifications/cancelled", {"requestId": 5})
    stray = {"jsonrpc": "2.0", "id": "nobody asked", "result": {}}
    response = await session.post(one, [cancel, stray])
    assert (response.status, await response.body()) == (202, b"")
    await within(held.ended.wait())
    assert held.was_cancelled


async def test_answers_to_the_server_may_come_in_a_batch_with_a_request(
    one: Process, other: Process, session: Session
) -> None:
    stream = await session.post(one, [tool_call("test_sampling", {"prompt": "capital?"}, id=1)])
    asked = await stream.next_message()
    assert asked["method"] == "sampling/createMessage"
    answer = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}}
    answers = await _answers(
        await session.post(other, [{"jsonrpc": "2.0", "id": asked["id"], "result": answer}, echo("x", 2)])
    )
    assert text_of(answers[2]) == "Echo: x"
    assert text_of((await stream.messages())[-1]) == "LLM response: Paris"


async def test_a_batch_ends_with_its_session(one: Process, other: Process, session: Session) -> None:
    held = Held(one)
    stream = await session.post(one, [call_held(id=1), call_held(id=2)])
    await stream.next_message()
    assert (await session.delete(other)).status == 204
    await stream.messages()
    await within(held.ended.wait())


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ([], "empty"),
        ([request("ping", id=n) for n in range(MAX_BATCH + 1)], "at most"),
        ([initialize(REVISION)], "initialize"),
        ([request("ping"), 1], "object"),
        ([request("ping"), [request("ping", id=2)]], "another batch"),
        ([request("ping"), {"jsonrpc": "2.0"}], "not a JSON-RPC"),
    ],
    ids=["empty", "too long", "initialize", "a number", "a batch in a batch", "no message"],
)
async def test_a_wrong_batch_is_refused_as_a_whole(
    one: Process, session: Session, batch: Any, says: str
) -> None:
    response = await session.post(one, batch)
    assert response.status == 400
    refusal = await response.json()
    assert refusal["error"]["code"] == -32600
    assert says in refusal["error"]["message"]


async def test_a_batch_above_the_limit_of_calls_is_refused_as_a_whole(
    one: Process, mcp_settings: Any
) -> None:
    mcp_settings.MCP_MAX_CALLS = 3
    session = await Session.open(one, revision=REVISION)
    held = Held(one)
    running = await session.post(one, call_held(id="first"))
    await running.next_message()
    response = await session.post(one, [call_held(id=n) for n in range(3)])
    assert response.status == 429
    assert held.runs == 1


async def test_a_batch_counts_as_running_once_it_is_admitted(
    one: Process, mcp_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mcp_settings.MCP_MAX_CALLS = 2
    session = await Session.open(one, revision=REVISION)
    held = Held(one)
    write = one.runtime.registry.write
    between: list[Any] = []

    async def post_in_between(call: Registration, message: bytes | None, **options: Any) -> str | None:
        if not between:
            between.append(None)
            between[0] = await session.post(one, call_held(id="in between"))
        return await write(call, message, **options)

    monkeypatch.setattr(one.runtime.registry, "write", post_in_between)
    stream = await session.post(one, [call_held(id=1, quiet=True), call_held(id=2, quiet=True)])
    assert between[0].status == 429
    held.go.set()
    assert (await _answers(stream)).keys() == {1, 2}


async def test_no_event_is_missing_from_a_batch_whose_last_call_sends_first(
    one: Process, session: Session
) -> None:
    held = Held(one)
    stream = await within(session.post(one, [call_held(id=1, quiet=True), call_held(id=2)]))
    assert (await stream.next_message())["params"]["message"] == "first"
    held.go.set()
    assert (await _answers(stream)).keys() == {1, 2}


async def test_if_a_part_of_a_batch_cannot_start_no_part_runs(
    one: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(one)
    await session.post(one, notification("notifications/initialized"))
    write = one.runtime.registry.write

    async def fail_at_the_second(call: Registration, message: bytes | None, **options: Any) -> str | None:
        if call.request.id == 2:
            raise Unavailable(Store.SESSIONS, "down")
        return await write(call, message, **options)

    monkeypatch.setattr(one.runtime.registry, "write", fail_at_the_second)
    response = await session.post(one, [call_held(id=1), call_held(id=2)])
    assert response.status == 503
    await eventually(lambda: len(one.runtime.calls) == 0)
    assert held.runs == 0


async def test_a_batch_that_cancels_its_own_call_does_not_wait_for_it(one: Process, session: Session) -> None:
    held = Held(one)
    cancelled = notification("notifications/cancelled", {"requestId": 1})
    stream = await session.post(one, [call_held(id=1), cancelled])
    assert (stream.status, await stream.messages()) == (200, [])
    stream = await session.post(one, [call_held(id=1), cancelled, echo("x", 2)])
    assert (await _answers(stream)).keys() == {2}
    assert held.runs == 0


async def test_a_batch_needs_the_scopes_of_all_its_requests(one: Process, session: Session) -> None:
    response = await session.post(one, [echo("x", 1), tool_call("describe-server", id=2)])
    assert response.status == 403
    assert "mcp:admin" in response.headers["www-authenticate"]


@pytest.mark.parametrize("revision", ["2025-06-18", LATEST])
async def test_later_revisions_have_no_batches(one: Process, revision: str) -> None:
    session = await Session.open(one, revision=revision)
    response = await session.post(one, [request("ping")])
    assert response.status == 400
    assert "2025-03-26" in (await response.json())["error"]["message"]
