"""A session that is unknown, has ended or is somebody else's: the same response, for every method."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp.shared.subscriptions import ResourceUpdated

from mcp_app.sessions import keys
from mcp_app.sessions.events import PENDING
from tests.mcp_app.transports.support import (
    Process,
    Session,
    headers_for,
    initialize,
    notification,
    request,
    tool_call,
)
from tests.support.waiting import eventually

MESSAGES = {
    "request": request("tools/list"),
    "ping": request("ping"),
    "notification": notification("notifications/cancelled", {"requestId": 1}),
    "response": {"jsonrpc": "2.0", "id": "a", "result": {}},
    "error": {"jsonrpc": "2.0", "id": "a", "error": {"code": -1, "message": "no"}},
}
UNKNOWN = {
    "never seen": "0" * 32,
    "one character": "x",
    "not ASCII": "séance",
    "with a space": "a b",
    "with braces": "}{",
    "a pattern": "*",
    "another key": "x}:owner",
    "overlong": "a" * 129,
    "very long": "a" * 10_000,
}


async def _answers(at: Process, session_id: str, token: str) -> list[tuple[int, dict[str, str], bytes]]:
    """What every method answers, without what differs from one response to the next."""
    attempts: list[tuple[str, Any]] = [("GET", None), ("DELETE", None)]
    attempts += [("POST", message) for message in MESSAGES.values()]
    answers = []
    for method, message in attempts:
        headers = headers_for(token, mcp_session_id=session_id)
        body = b"" if message is None else json.dumps(message).encode()
        response = await at.http.request(method, headers=headers, body=body)
        told = {name: value for name, value in response.headers.items() if name != "x-request-id"}
        answers.append((response.status, told, await response.body()))
    return answers


async def _assert_not_found(answers: Any) -> None:
    ids = [json.loads(body)["id"] for _, _, body in answers]
    assert ids == [None, None, 1, 1, None, None, None], "of requests, and of nothing else"
    for status, headers, body in answers:
        assert status == 404
        assert headers["content-type"] == "application/json"
        refusal = json.loads(body)
        assert refusal["error"]["code"] == -32001
        assert "initialize" in refusal["error"]["message"]


@pytest.mark.parametrize("session_id", UNKNOWN.values(), ids=UNKNOWN)
async def test_an_unknown_session_is_404(one: Process, session_id: str) -> None:
    await _assert_not_found(await _answers(one, session_id, "alice"))


@pytest.mark.parametrize("token", ["mallory", "alice@other-client"])
async def test_a_foreign_session_is_answered_as_an_unknown_one(
    one: Process, other: Process, session: Session, token: str
) -> None:
    unknown = await _answers(one, "0" * 32, token)
    await _assert_not_found(unknown)
    assert await _answers(one, session.id, token) == unknown
    assert await _answers(other, session.id, token) == unknown
    assert (await session.post(one, request("ping"))).status == 200


async def test_an_ended_session_is_answered_as_an_unknown_one(
    one: Process, other: Process, session: Session
) -> None:
    assert (await session.post(other, request("ping"))).status == 200
    assert (await session.delete(one)).status == 204
    unknown = await _answers(one, "0" * 32, "alice")
    assert await _answers(one, session.id, "alice") == unknown

    async def is_known_elsewhere() -> bool:
        return (await session.post(other, request("ping"))).status == 404

    await eventually(is_known_elsewhere, within=2)
    assert await _answers(other, session.id, "alice") == unknown


async def _be_idle(at: Process, session: Session) -> None:
    """What Redis does when a session has not been used for the idle time."""
    await at.runtime.redis.delete(*keys.renewed_by_use(session.id))


async def test_a_client_can_continue_an_idle_session(
    one: Process, other: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 0.0
    await session.post(one, request("resources/subscribe", {"uri": "test://watched-resource"}))
    await session.post(one, request("logging/setLevel", {"level": "warning"}))
    listening = await session.listen(one)
    await one.runtime.log.append(session.id, PENDING, notification("notifications/n"))
    last = await listening.next_event()
    await listening.drop()
    await _be_idle(one, session)
    assert (await session.get(other, last.id)).status == 400, "what it held is gone"
    assert (await session.post(other, request("ping"))).status == 200
    record = await other.runtime.sessions.get(session.id)
    assert record is not None
    assert record.log_level == "warning"
    assert record.subscriptions == {"test://watched-resource"}
    again = await session.listen(other)
    await one.runtime.subscription_bus.publish(ResourceUpdated(uri="test://watched-resource"))
    assert (await again.next_message())["method"] == "notifications/resources/updated"


async def test_deleting_an_idle_session_ends_it_immediately(
    one: Process, other: Process, session: Session
) -> None:
    await _be_idle(one, session)
    assert (await session.delete(one)).status == 204
    for process in (one, other):
        await _assert_not_found(await _answers(process, session.id, "alice"))


@pytest.mark.parametrize("transport", ["Streamable HTTP", "HTTP+SSE"])
async def test_a_user_with_too_many_sessions_in_use_is_told_the_limit(
    one: Process, other: Process, mcp_settings: Any, transport: str
) -> None:
    mcp_settings.MCP_MAX_SESSIONS = 2
    person = f"busy-{transport.replace(' ', '-')}"
    first = await Session.open(one, person)
    await Session.open(other, f"{person}@another-client")
    headers = headers_for(person)
    if transport == "HTTP+SSE":
        refused = await one.http.request("GET", "/sse", headers=headers)
    else:
        refused = await one.http.request("POST", headers=headers, body=json.dumps(initialize()).encode())
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) > 0
    answer = await refused.json()
    assert answer["id"] == (1 if transport == "Streamable HTTP" else None)
    assert answer["error"]["data"] == {"limit": "MCP_MAX_SESSIONS", "value": 2}
    assert "MCP_MAX_SESSIONS" in answer["error"]["message"]
    await _be_idle(one, first)
    await Session.open(other, person)
    await _assert_not_found(await _answers(one, first.id, person))


async def test_a_session_ends_at_its_maximum_age_however_busy_it_is(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 0.0
    assert (await session.post(one, request("ping"))).status == 200
    mcp_settings.MCP_SESSION_MAX_SECONDS = 0
    await _assert_not_found(await _answers(one, session.id, "alice"))


@pytest.mark.parametrize("token", ["mallory", "alice@other-client"])
async def test_nobody_can_resume_a_foreign_stream(
    one: Process, other: Process, session: Session, token: str
) -> None:
    response = await session.post(one, tool_call("test_tool_with_progress", progress=1))
    primed = await response.next_block()
    assert primed is not None
    intruder = await Session.open(other, token)
    for session_id in (session.id, intruder.id):
        intruder.id = session_id
        refused = await intruder.get(other, primed.id)
        assert refused.status in (400, 404)
        assert "progress" not in (await refused.body()).decode()


async def test_an_ended_session_is_unknown_to_every_process_immediately(
    one: Process, other: Process, session: Session
) -> None:
    for process in (one, other):  # both have a copy of the record
        assert (await session.post(process, request("ping"))).status == 200
    assert (await session.delete(one)).status == 204
    assert (await session.post(other, request("ping"))).status == 404
