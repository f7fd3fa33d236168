"""A session that is unknown, has ended or is somebody else's: one and the same answer, for every method."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.mcp_app.transports.support import Process, Session, headers_for, notification, request, tool_call
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
async def test_anothers_session_is_answered_as_an_unknown_one(
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


async def test_an_idle_session_ends_after_its_lifetime(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 0.0
    key = f"session:{{{session.id}}}"
    assert 0 < await one.runtime.redis.ttl(key) <= 300
    await one.runtime.redis.expire(key, 0)
    await _assert_not_found(await _answers(one, session.id, "alice"))


async def test_use_renews_the_lifetime_of_a_session(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 0.0
    key = f"session:{{{session.id}}}"
    await one.runtime.redis.expire(key, 10)
    await session.post(one, request("ping"))
    assert await one.runtime.redis.ttl(key) > 10


async def test_a_session_ends_at_its_absolute_age_however_busy_it_is(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 0.0
    assert (await session.post(one, request("ping"))).status == 200
    mcp_settings.MCP_SESSION_MAX_SECONDS = 0
    await _assert_not_found(await _answers(one, session.id, "alice"))


@pytest.mark.parametrize("token", ["mallory", "alice@other-client"])
async def test_nobody_can_resume_anothers_stream(
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


async def test_a_session_that_has_been_ended_is_unknown_to_every_process_at_once(
    one: Process, other: Process, session: Session
) -> None:
    for process in (one, other):  # both have a copy of the record
        assert (await session.post(process, request("ping"))).status == 200
    assert (await session.delete(one)).status == 204
    assert (await session.post(other, request("ping"))).status == 404
