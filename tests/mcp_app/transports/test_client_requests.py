"""Requests of the server to its client, and the client's responses: sent to any process, accepted once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp.server.mcpserver import Context
from mcp.shared.message import ServerMessageMetadata
from mcp.types import INVALID_REQUEST, ListRootsRequest, ListRootsResult

from mcp_app.calls import client_requests
from mcp_app.protocol.answers import MAX_BLOCKS
from tests.mcp_app.transports.support import (
    Process,
    Session,
    headers_for,
    initialize,
    notification,
    text_of,
    tool_call,
)
from tests.support.layers import LossyLayer
from tests.support.waiting import eventually

SAMPLED = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}}


def _response(id: Any, result: Any = SAMPLED) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": result}


SAMPLE = tool_call("test_sampling", {"prompt": "What is the capital of France?"})


async def test_the_answer_may_be_posted_to_another_process(
    one: Process, other: Process, session: Session
) -> None:
    stream = await session.post(one, SAMPLE)
    asked = await stream.next_message()
    assert asked["method"] == "sampling/createMessage"
    response = await session.post(other, _response(asked["id"]))
    assert (response.status, await response.body()) == (202, b"")
    assert text_of(await stream.next_message()) == "LLM response: Paris"


async def test_an_error_of_the_client_reaches_the_tool(
    one: Process, other: Process, session: Session
) -> None:
    stream = await session.post(one, SAMPLE)
    asked = await stream.next_message()
    error = {"code": -1, "message": "User rejected sampling"}
    await session.post(other, {"jsonrpc": "2.0", "id": asked["id"], "error": error})
    answer = await stream.next_message()
    assert answer["result"]["isError"] is True
    assert "User rejected sampling" in text_of(answer)


@pytest.mark.parametrize("result", [{}, {"role": "nobody"}])
async def test_an_invalid_answer_makes_the_tool_fail(one: Process, session: Session, result: Any) -> None:
    stream = await session.post(one, SAMPLE)
    await session.post(one, _response((await stream.next_message())["id"], result))
    assert (await stream.next_message())["result"]["isError"] is True


MALFORMED: dict[str, dict[str, Any]] = {
    "error null beside a result": {"result": SAMPLED, "error": None},
    "an error without a message": {"error": {"code": -1}},
    "an error without a code": {"error": {"message": "no"}},
    "an error with a string as code": {"error": {"code": "E_DENIED", "message": "no"}},
    "an error that is a string": {"error": "no"},
    "a result that is a list": {"result": []},
    "a result that is null": {"result": None},
    "neither result nor error": {},
    "another version": {"jsonrpc": "1.0", "result": SAMPLED},
}


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_answer_is_refused_and_its_call_fails_immediately(
    one: Process, other: Process, session: Session, answer: dict[str, Any]
) -> None:
    stream = await session.post(one, SAMPLE)
    asked = await stream.next_message()
    response = await session.post(other, {"jsonrpc": "2.0", "id": asked["id"], **answer})
    refusal = await response.json()
    assert (response.status, refusal["id"], refusal["error"]["code"]) == (400, None, INVALID_REQUEST)
    failed = await stream.next_message()
    assert failed["result"]["isError"] is True
    assert "malformed" in text_of(failed)


BLOCK = {"type": "none"}
RESULT = {"type": "tool_result", "toolUseId": "a"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([BLOCK] * MAX_BLOCKS, "malformed"),
        ([BLOCK] * (MAX_BLOCKS + 1), f"more than {MAX_BLOCKS} blocks"),
        ([RESULT | {"content": [BLOCK] * (MAX_BLOCKS // 2)}] * 2, f"more than {MAX_BLOCKS} blocks"),
        (RESULT | {"content": [BLOCK] * MAX_BLOCKS}, f"more than {MAX_BLOCKS} blocks"),
    ],
)
async def test_an_answer_of_endless_blocks_is_refused_before_it_is_validated(
    one: Process, other: Process, session: Session, content: Any, said: str
) -> None:
    stream = await session.post(one, SAMPLE)
    asked = await stream.next_message()
    result = SAMPLED | {"content": content}
    await session.post(other, {"jsonrpc": "2.0", "id": asked["id"], "result": result})
    failed = await stream.next_message()
    assert failed["result"]["isError"] is True
    assert said in text_of(failed)


async def test_a_malformed_answer_in_a_batch_fails_its_call_immediately(one: Process, other: Process) -> None:
    session = await Session.open(one, revision="2025-03-26")
    stream = await session.post(one, SAMPLE)
    asked = await stream.next_message()
    response = await session.post(other, [{"jsonrpc": "2.0", "id": asked["id"], "error": None}])
    assert response.status == 400
    assert "malformed" in text_of(await stream.next_message())


async def test_a_malformed_answer_over_http_sse_fails_its_call_immediately(
    one: Process, other: Process
) -> None:
    stream = await one.http.request("GET", "/sse", headers=headers_for(accept="text/event-stream"))
    endpoint = (await stream.next_event()).data
    assert endpoint is not None

    async def post(message: Any) -> int:
        body = json.dumps(message).encode()
        return (await other.http.request("POST", endpoint, headers=headers_for(), body=body)).status

    assert await post(initialize("2024-11-05")) == 202
    await stream.next_message()
    assert await post(SAMPLE) == 202
    asked = await stream.next_message()
    assert await post({"jsonrpc": "2.0", "id": asked["id"], "error": {}}) == 400
    assert "malformed" in text_of(await stream.next_message())


async def test_a_malformed_answer_from_another_session_is_ignored(
    one: Process, other: Process, session: Session
) -> None:
    stream = await session.post(one, SAMPLE)
    asked = await stream.next_message()
    malformed = {"jsonrpc": "2.0", "id": asked["id"], "error": None}
    assert (await (await Session.open(other)).post(other, malformed)).status == 400
    assert (await (await Session.open(other, "mallory")).post(other, malformed)).status == 400
    await session.post(other, _response(asked["id"]))
    assert text_of(await stream.next_message()) == "LLM response: Paris"


async def test_an_answer_with_half_an_emoji_is_accepted(one: Process, session: Session) -> None:
    stream = await session.post(one, SAMPLE)
    asked = await stream.next_message()
    cut = SAMPLED | {"content": {"type": "text", "text": "Paris \ud83d"}}
    assert (await session.post(one, _response(asked["id"], cut))).status == 202
    assert text_of(await stream.next_message()) == "LLM response: Paris \ufffd"


async def test_a_second_answer_is_ignored(one: Process, other: Process, session: Session) -> None:
    stream = await session.post(one, SAMPLE)
    asked = await stream.next_message()
    assert (await session.post(other, _response(asked["id"]))).status == 202
    second = SAMPLED | {"content": {"type": "text", "text": "London"}}
    assert (await session.post(one, _response(asked["id"], second))).status == 202
    assert [text_of(message) for message in await stream.messages()] == ["LLM response: Paris"]
    assert [key async for key in one.runtime.redis.scan_iter(f"mcp:answer:{{{session.id}}}:*")] == []


@pytest.mark.parametrize("token", ["alice", "mallory"])
async def test_an_answer_from_another_session_is_ignored(
    one: Process, other: Process, session: Session, token: str
) -> None:
    stream = await session.post(one, SAMPLE)
    asked = await stream.next_message()
    intruder = await Session.open(other, token)
    forged = SAMPLED | {"content": {"type": "text", "text": "forged"}}
    assert (await intruder.post(other, _response(asked["id"], forged))).status == 202
    assert (await intruder.post(one, _response(asked["id"], forged))).status == 202
    await session.post(other, _response(asked["id"]))
    assert text_of(await stream.next_message()) == "LLM response: Paris"


@pytest.mark.parametrize("id", ["", "nobody/1", "/", 1, 2**70, "mcpprocess.x/" + "0" * 16, "x" * 256])
async def test_an_answer_to_nothing_is_acknowledged_and_ignored(
    one: Process, session: Session, id: Any
) -> None:
    response = await session.post(one, _response(id))
    assert (response.status, await response.body()) == (202, b"")
    error = {"jsonrpc": "2.0", "id": id, "error": {"code": -1, "message": "no"}}
    assert (await session.post(one, error)).status == 202


@pytest.mark.parametrize("id", [{}, {"id": None}], ids=["no id", "null"])
async def test_an_error_about_no_request_in_particular_is_logged_and_ignored(
    one: Process, session: Session, caplog: pytest.LogCaptureFixture, id: dict[str, Any]
) -> None:
    caplog.set_level("INFO")
    error = {"jsonrpc": "2.0", **id, "error": {"code": -32700, "message": "not JSON"}}
    response = await session.post(one, error)
    assert (response.status, await response.body()) == (202, b"")
    assert "client sent an error without an id" in caplog.messages


@pytest.mark.parametrize("tool", ["test_sampling", "test_elicitation", "get-roots-list"])
async def test_a_client_without_the_capability_is_not_asked(one: Process, tool: str) -> None:
    session = await Session.open(one, capabilities={})
    answer = await session.call(one, tool, {"prompt": "x", "message": "x"})
    assert answer["result"]["isError"] is True
    assert "capability" in text_of(answer)


async def test_an_answer_that_comes_too_late_finds_an_error_and_a_cancellation(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CLIENT_REQUEST_SECONDS = 0.05

    async def ask_roots(ctx: Context) -> str:
        related = ServerMessageMetadata(related_request_id=ctx.request_id)
        await ctx.session.send_request(ListRootsRequest(), ListRootsResult, metadata=related)
        return "answered"

    one.runtime.server.add_tool(ask_roots, structured_output=False)
    stream = await session.post(one, tool_call("ask_roots"))
    asked, cancelled, answer = await stream.messages()
    assert asked["method"] == "roots/list"
    assert cancelled["method"] == "notifications/cancelled"
    assert cancelled["params"]["requestId"] == asked["id"]
    assert "did not answer" in str(answer)
    assert (await session.post(one, _response(asked["id"], {"roots": []}))).status == 202
    assert not await one.runtime.redis.exists(f"mcp:asked:{{{session.id}}}")


async def test_no_tool_waits_for_its_client_longer_than_the_operator_allows(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CLIENT_REQUEST_SECONDS = 0.05
    stream = await session.post(one, SAMPLE)
    asked, cancelled, answer = await stream.messages()
    assert cancelled["params"]["requestId"] == asked["id"]
    assert answer["result"]["isError"] is True
    assert "did not answer" in text_of(answer)


async def test_an_answer_is_found_even_if_the_message_about_it_is_lost(
    one: Process, other: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_requests, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(LossyLayer, "loses", client_requests.ANSWERED)
    stream = await session.post(one, SAMPLE)
    await session.post(other, _response((await stream.next_message())["id"]))
    assert text_of(await stream.next_message()) == "LLM response: Paris"


async def test_a_client_that_disconnected_during_a_question_can_answer_and_resume_elsewhere(
    one: Process, other: Process, session: Session
) -> None:
    stream = await session.post(one, SAMPLE)
    asked = await stream.next_event()
    await stream.drop()
    await session.post(other, _response(asked.message["id"]))
    resumed = await session.get(other, asked.id)
    assert [text_of(message) for message in await resumed.messages()] == ["LLM response: Paris"]


async def test_a_call_cancelled_while_it_asks_leaves_no_question_behind(
    one: Process, other: Process, session: Session
) -> None:
    stream = await session.post(one, SAMPLE)
    asked = await stream.next_message()
    await session.post(other, notification("notifications/cancelled", {"requestId": 1}))
    assert [message for message in await stream.messages() if "id" in message] == []

    async def nothing_is_asked() -> bool:
        return not await one.runtime.redis.exists(f"mcp:asked:{{{session.id}}}")

    await eventually(nothing_is_asked)
    assert (await session.post(one, _response(asked["id"]))).status == 202
