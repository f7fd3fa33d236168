"""What clients see of the limit on what their person holds."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

import pytest
from mcp.server.mcpserver import Context

from mcp_app.coordination import held
from tests.mcp_app.transports.support import (
    Process,
    Session,
    headers_for,
    initialize,
    modern,
    request,
    text_of,
    tool_call,
)
from tests.support.asgi import Response

LIMIT = 320_000
SETTING = "MCP_MAX_HELD_BYTES"


@pytest.fixture(autouse=True)
def small_limit(mcp_settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mcp_settings.MCP_MAX_HELD_BYTES = LIMIT
    monkeypatch.setattr(held, "LOOK_AGAIN_SECONDS", 0.0)


@pytest.fixture
def talker(one: Process) -> None:
    """A tool that says `times` words of `length` letters, and returns another."""

    async def talk(ctx: Context, times: int = 0, length: int = 0, returns: int = 0) -> str:
        for n in range(times):
            await ctx.report_progress(n, times, "w" * length)
        return "r" * returns

    one.runtime.server.add_tool(talk, structured_output=False)


@pytest.fixture
async def hoarder(one: Process, talker: None) -> Session:
    """A session of a new person."""
    return await Session.open(one, token=f"person{secrets.token_hex(8)}")


async def _talk(at: Process, session: Session, id: int = 1, **arguments: int) -> Any:
    return await session.call(at, "talk", arguments, progress=id, id=id)


async def _fill(at: Process, session: Session) -> Any:
    """Talk until there is no more room; returns the last response."""
    for n in range(20):
        answer = await _talk(at, session, n, times=5, length=10_000)
        if "error" in answer:
            return answer
    raise AssertionError("there was always room")


async def _assert_refused(response: Response) -> None:
    error = (await response.json())["error"]
    assert response.status == 429
    assert int(response.headers["retry-after"]) >= 1
    assert error["data"] == {"limit": SETTING, "value": LIMIT}
    assert SETTING in error["message"]


async def test_a_call_that_would_send_more_ends_with_an_error_that_names_the_limit(
    one: Process, hoarder: Session
) -> None:
    answer = await _fill(one, hoarder)
    assert answer["error"]["data"] == {"limit": SETTING, "value": LIMIT}
    assert SETTING in answer["error"]["message"]


async def test_a_response_for_which_there_is_no_room_is_replaced_by_an_error(
    one: Process, hoarder: Session
) -> None:
    answer = await _talk(one, hoarder, times=1, length=10, returns=400_000)
    assert answer["id"] == 1
    assert answer["error"]["data"] == {"limit": SETTING, "value": LIMIT}


async def test_new_work_is_refused_until_a_session_has_ended(one: Process, hoarder: Session) -> None:
    other = await Session.open(one, token=hoarder.token)
    await _fill(one, hoarder)
    body = json.dumps(initialize()).encode()
    await _assert_refused(await other.post(one, tool_call("talk")))
    await _assert_refused(await one.http.request("POST", headers=headers_for(hoarder.token), body=body))
    assert (await other.post(one, request("ping"))).status == 200
    response = await modern(one, "tools/call", {"name": "talk", "arguments": {}}, token=hoarder.token)
    assert response.status == 200, "it holds nothing"
    assert (await hoarder.delete(one)).status == 204
    assert text_of(await other.call(one, "talk", {"returns": 3})) == "rrr"


async def test_many_calls_at_once_do_not_hold_more_than_the_limit(one: Process, hoarder: Session) -> None:
    sessions = [hoarder, *[await Session.open(one, token=hoarder.token) for _ in range(3)]]
    answers = await asyncio.gather(
        *(_talk(one, sessions[n % 4], n, times=10, length=10_000) for n in range(40)), return_exceptions=True
    )
    record = await one.runtime.sessions.get(hoarder.id)
    assert record is not None
    assert await one.runtime.sessions.held.total(record.person_key) <= LIMIT + 40 * 4096
    assert any("error" in answer for answer in answers if isinstance(answer, dict))


async def test_a_call_over_http_sse_is_refused_on_its_stream(one: Process, hoarder: Session) -> None:
    headers = headers_for(hoarder.token, accept="text/event-stream")
    stream = await one.http.request("GET", "/sse", headers=headers)
    endpoint = (await stream.next_event()).data
    assert endpoint is not None
    await _fill(one, hoarder)
    body = json.dumps(request("tools/list")).encode()
    response = await one.http.request("POST", endpoint, headers=headers_for(hoarder.token), body=body)
    assert response.status == 202
    assert (await stream.next_message())["error"]["data"] == {"limit": SETTING, "value": LIMIT}


@pytest.mark.parametrize("method", ["ping", "tools/call", "unknown"])
async def test_small_replies_over_http_sse_that_nobody_reads_hold_no_more_than_the_limit(
    one: Process, hoarder: Session, mcp_settings: Any, method: str
) -> None:
    mcp_settings.MCP_MAX_HELD_BYTES = limit = 65536
    headers = headers_for(hoarder.token, accept="text/event-stream")
    stream = await one.http.request("GET", "/sse", headers=headers)
    endpoint = (await stream.next_event()).data
    assert endpoint is not None
    await stream.drop()
    params = {"name": "unknown", "arguments": {}} if method == "tools/call" else {}
    statuses = set()
    for n in range(100):
        message = request(method, params, id="\u0001" * 250 + str(n))
        body = json.dumps(message).encode()
        sent = await one.http.request("POST", endpoint, headers=headers_for(hoarder.token), body=body)
        statuses.add(sent.status)
    assert statuses == {202, 429}
    record = await one.runtime.sessions.get(hoarder.id)
    assert record is not None
    assert await one.runtime.sessions.held.total(record.person_key) <= limit + 2 * 4096
