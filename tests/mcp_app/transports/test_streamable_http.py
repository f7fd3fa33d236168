"""Streamable HTTP when nothing goes wrong."""

from __future__ import annotations

import json

import pytest

from tests.mcp_app.transports.support import (
    OLDER,
    Process,
    Session,
    headers_for,
    initialize,
    request,
    text_of,
    tool_call,
)


@pytest.mark.parametrize("revision", OLDER)
async def test_a_session_is_served_by_any_process(one: Process, other: Process, revision: str) -> None:
    session = await Session.open(one, revision=revision)
    assert text_of(await session.call(other, "echo", {"message": "hello"})) == "Echo: hello"
    assert text_of(await session.call(one, "echo", {"message": "again"})) == "Echo: again"


@pytest.mark.parametrize("revision", OLDER)
async def test_a_session_is_offered_no_tasks(one: Process, revision: str) -> None:
    response = await one.http.request(
        "POST", headers=headers_for(), body=json.dumps(initialize(revision)).encode()
    )
    announced = (await response.json())["result"]["capabilities"]["extensions"]
    assert "io.modelcontextprotocol/tasks" not in announced
    assert "io.modelcontextprotocol/skills" in announced


async def test_a_quick_call_is_answered_as_plain_json(one: Process, session: Session) -> None:
    response = await session.post(one, tool_call("echo", {"message": "hello"}, id="a"))
    assert (response.status, response.content_type) == (200, "application/json")
    answer = await response.json()
    assert answer["id"] == "a"
    assert "mcp-session-id" not in response.headers


async def test_a_call_that_notifies_is_answered_as_an_event_stream(one: Process, session: Session) -> None:
    response = await session.post(one, tool_call("test_tool_with_progress", progress="p"))
    assert (response.status, response.content_type) == (200, "text/event-stream")
    *notified, answer = await response.messages()
    assert [message["params"]["progress"] for message in notified] == [0, 50, 100]
    assert text_of(answer) == "Tool with progress executed successfully"


async def test_a_request_that_fails_is_answered_with_its_error(one: Process, session: Session) -> None:
    response = await session.post(one, request("no/such/method"))
    assert (response.status, response.content_type) == (200, "application/json")
    assert (await response.json())["error"]["code"] == -32601
