"""The audit: a line for each MCP request, with nothing in it that is secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from mcp_app.calls.registry import CallRegistry
from mcp_app.exceptions import Store, Unavailable
from mcp_app.extensions.tasks.declaration import IDENTIFIER
from mcp_app.sessions import keys
from tests.mcp_app.transports.support import (
    LATEST,
    MODERN,
    Held,
    Process,
    Session,
    call_held,
    cancel_a_call,
    headers_for,
    initialize,
    modern,
    notification,
    request,
    tool_call,
)
from tests.support.audit_lines import Lines, audit_in
from tests.support.waiting import eventually

SECRET = "s3cr3t-that-nobody-may-read"
FORGED = f'x\r\n{{"message":"MCP request","username":"mallory"}}\u2028\x1b[2J{SECRET}'


@pytest.fixture(autouse=True)
def lines(tmp_path: Path, mcp_settings: Any) -> Iterator[Lines]:
    """What is written to the audit, whose settings are those of a server in production."""
    mcp_settings.MCP_OBSERVERS = ["everything_site.audit.Audit"]
    with audit_in(tmp_path / "audit.log") as written:
        yield written


async def test_a_call_of_a_session_leaves_a_line_with_who_did_what_and_how_it_ended(
    lines: Lines, one: Process, session: Session
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    call = tool_call("echo", {"message": SECRET}, id=7)
    call["params"]["_meta"] = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    await (await session.post(one, call, x_request_id="of-the-proxy")).answer()
    line = lines.one(method="tools/call")
    assert line.pop("milliseconds") >= 0
    assert {name: line[name] for name in line if name not in ("time", "process", "client")} == {
        "level": "info",
        "logger": "audit",
        "message": "MCP request",
        "username": "alice",
        "user": "alice",
        "session": session.id[:8],
        "revision": LATEST,
        "method": "tools/call",
        "tool": "echo",
        "id": "7",
        "outcome": "result",
        "trace_id": trace,
        "request_id": "of-the-proxy",
    }


async def test_a_call_without_a_session_leaves_one_too(lines: Lines, one: Process) -> None:
    await (await modern(one, "tools/call", {"name": "echo", "arguments": {"message": "x"}})).answer()
    line = lines.one(method="tools/call")
    assert (line["tool"], line["outcome"], line["revision"]) == ("echo", "result", MODERN)
    assert "session" not in line


async def test_the_beginning_and_the_end_of_a_session_and_its_get_stream_are_in_the_audit(
    lines: Lines, one: Process
) -> None:
    session = await Session.open(one)
    stream = await session.listen(one)
    await stream.drop()
    await session.delete(one)
    told = [(line["method"], line["outcome"], line.get("session")) for line in lines.all()]
    assert told == [
        ("initialize", "result", session.id[:8]),
        ("notifications/initialized", "accepted", session.id[:8]),
        ("GET", "stream", session.id[:8]),
        ("DELETE", "result", session.id[:8]),
    ]
    assert lines.one(method="initialize")["revision"] == LATEST


async def test_a_get_that_would_resume_a_stream_which_is_over_has_a_result(
    lines: Lines, one: Process, session: Session
) -> None:
    stream = await session.post(one, tool_call("test_tool_with_progress", progress=1))
    *_, last = [event async for event in stream.events()]
    assert (await session.get(one, last.id)).status == 204
    assert lines.one(method="GET")["outcome"] == "result"


@pytest.mark.parametrize("is_modern", [False, True], ids=["session", "stateless"])
async def test_the_outcome_tells_results_from_errors(
    lines: Lines, one: Process, session: Session, is_modern: bool
) -> None:
    async def fails() -> str:
        raise ToolError(SECRET)

    one.runtime.server.add_tool(fails)
    for tool in ("echo", "fails", "unknown"):
        arguments = {"message": "x"} if tool == "echo" else {}
        if is_modern:
            await (await modern(one, "tools/call", {"name": tool, "arguments": arguments})).answer()
        else:
            await session.call(one, tool, arguments)
    told = [(line["outcome"], line.get("code")) for line in lines.all(method="tools/call")]
    assert told == [("result", None), ("tool_error", None), ("error", -32602)]


async def test_a_resource_is_named_by_its_uri_without_what_may_be_secret(
    lines: Lines, one: Process, session: Session
) -> None:
    for uri in (
        f"https://user:{SECRET}@example.com/a/b?token={SECRET}#{SECRET}",
        f"data:text/plain,{SECRET}",
        "test://static/resource/1",
        "test://" + "x" * 5000,
    ):
        await (await session.post(one, request("resources/read", {"uri": uri}))).answer()
    shown = [line["resource"] for line in lines.all(method="resources/read")]
    assert shown[:3] == ["https://example.com/a/b", "data:…", "test://static/resource/1"]
    assert len(shown[3]) < 300


@pytest.mark.parametrize("is_modern", [False, True], ids=["by its client", "as its client disconnects"])
async def test_a_call_that_is_cancelled_leaves_one_line(
    lines: Lines, one: Process, session: Session, is_modern: bool
) -> None:
    await cancel_a_call(one, session, is_modern=is_modern)
    await eventually(lambda: lines.all(method="tools/call"))
    assert lines.one(method="tools/call")["outcome"] == "cancelled"


async def test_a_call_that_streams_is_in_the_audit_before_its_client_has_the_response(
    lines: Lines, one: Process, session: Session
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    await stream.next_event()
    assert not lines.all(method="tools/call")
    held.go.set()
    [*_, answer] = await stream.messages()
    assert "result" in answer
    assert lines.one(method="tools/call")["outcome"] == "result"


@pytest.mark.parametrize("may_repeat", [True, False], ids=["re-run", "given up"])
async def test_of_a_call_whose_process_died_the_process_that_answers_writes_the_line(
    lines: Lines, one: Process, other: Process, running_for_long: None, may_repeat: bool
) -> None:
    session = await Session.open(one)
    annotations = ToolAnnotations(idempotent_hint=may_repeat)
    Held(one, annotations=annotations)
    Held(other, annotations=annotations).go.set()
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    await one.runtime.calls.stop()  # without a word to Redis, as by SIGKILL
    await stream.drop()
    for name in await one.runtime.redis.hkeys(keys.calls(session.id)):
        await one.runtime.redis.delete(keys.lease(session.id, str(name)))
    await (await session.get(other, last.id)).messages()
    line = lines.one(method="tools/call")
    assert line["outcome"] == ("result" if may_repeat else "lost")
    assert (line["session"], line["id"], line["attempt"]) == (session.id[:8], "1", 2)


async def test_each_request_of_a_batch_leaves_a_line_and_what_is_no_request_one_together(
    lines: Lines, one: Process
) -> None:
    session = await Session.open(one, revision="2025-03-26")
    batch = [
        tool_call("echo", {"message": "x"}, id=1),
        request("ping", id=2),
        notification("notifications/roots/list_changed"),
    ]
    await (await session.post(one, batch)).messages()
    told = sorted((line["method"], line["outcome"]) for line in lines.all()[2:])
    assert told == [("batch", "accepted"), ("ping", "result"), ("tools/call", "result")]


async def test_a_batch_that_is_refused_leaves_one_line(
    lines: Lines, one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await Session.open(one, revision="2025-03-26")

    async def fails(*args: Any, **kwargs: Any) -> None:
        raise Unavailable(Store.SESSIONS, "of this test")

    monkeypatch.setattr(CallRegistry, "write", fails)
    calls = [tool_call("echo", {"message": "x"}, id=number) for number in (1, 2)]
    assert (await session.post(one, calls)).status == 503
    line = lines.one(method="batch")
    assert (line["outcome"], line["status"], line["reason"]) == ("refused", 503, "sessions_unavailable")
    assert not lines.all(method="tools/call")


async def test_a_request_that_is_refused_leaves_one_line_with_the_reason(lines: Lines, one: Process) -> None:
    session = await Session.open(one)
    await session.post(one, tool_call("echo"), authorization=None)
    await session.post(one, tool_call("echo"), authorization="Bearer unknown")
    await session.post(one, tool_call("echo"), origin="https://evil.example")
    await session.post(one, tool_call("echo"), host="evil.example")
    await Session("f" * 48).post(one, tool_call("echo"))
    await one.http.request("POST", headers=session.headers(), body=b"{")
    await one.http.request("PUT", headers=session.headers(), body=b"")
    await modern(one, "tools/call", {"name": "echo"}, mcp_method="tools/list")
    await one.http.request("POST", headers=session.headers(content_length="many"), body=b"")
    told = [(line["status"], line["reason"]) for line in lines.all(outcome="refused")]
    assert told == [
        (401, "no_token"),
        (401, "invalid_token"),
        (403, "origin"),
        (421, "host"),
        (404, "session_not_found"),
        (400, "malformed"),
        (405, "http_method"),
        (400, "header_mismatch"),
        (400, "malformed"),
    ]
    known = lines.one(reason="session_not_found")
    assert (known["username"], known["tool"], known["session"]) == ("alice", "echo", "ffffffff")


async def test_over_http_sse_each_message_leaves_a_line(lines: Lines, one: Process) -> None:
    stream = await one.http.request("GET", "/sse", headers=headers_for(accept="text/event-stream"))
    path = (await stream.next_event()).data or ""
    for message in (
        initialize("2024-11-05"),
        notification("notifications/initialized"),
        tool_call("echo", {"message": SECRET}, id=2),
    ):
        body = json.dumps(message).encode()
        assert (await one.http.request("POST", path, headers=headers_for(), body=body)).status == 202
    await eventually(lambda: lines.all(method="tools/call"))
    session = path.partition("=")[2][:8]
    told = [(line["method"], line["outcome"]) for line in lines.all(session=session)]
    assert sorted(told) == [
        ("initialize", "result"),
        ("notifications/initialized", "accepted"),
        ("tools/call", "result"),
    ]
    assert lines.one(method="GET")["outcome"] == "stream"
    await stream.drop()


async def test_the_run_of_a_task_leaves_a_line_besides_its_request(lines: Lines, one: Process) -> None:
    capabilities: dict[str, Any] = {"elicitation": {}, "extensions": {IDENTIFIER: {}}}
    call = {"name": "slow_compute", "arguments": {"seconds": 0}}
    made = await (await modern(one, "tools/call", call, capabilities=capabilities)).answer()
    task_id = made["result"]["taskId"]
    await eventually(lambda: lines.all(message="task run"))
    run, asked = lines.one(message="task run"), lines.one(message="MCP request")
    assert (run["tool"], run["outcome"], run["id"]) == ("slow_compute", "result", task_id[:8])
    assert (asked["tool"], asked["outcome"]) == ("slow_compute", "result")
    assert task_id not in lines.text


async def test_nothing_secret_is_in_the_audit_and_nobody_can_forge_a_line(lines: Lines, one: Process) -> None:
    async def leaky(ctx: Context, value: str) -> str:
        await ctx.report_progress(1, 2, value)
        await ctx.info(value)
        return value

    one.runtime.server.add_tool(leaky)
    body = initialize()
    body["params"]["clientInfo"] = {"name": FORGED, "version": FORGED}
    body["params"]["capabilities"] = {"experimental": {"x": {"y": SECRET}}}
    planted = {"x_planted": SECRET, "cookie": SECRET, "last_event_id": SECRET, "mcp_session_id": SECRET}
    opened = await one.http.request("POST", headers=headers_for(**planted), body=json.dumps(body).encode())
    session = Session(opened.headers["mcp-session-id"])
    arguments = {"value": FORGED, SECRET: SECRET}
    for message in (
        tool_call("leaky", arguments, progress=SECRET),
        tool_call(f"x\n{FORGED[:20]}", arguments),
        request("resources/read", {"uri": f"test://a?{FORGED}"}),
        request("prompts/get", {"name": SECRET, "arguments": arguments}),
        request("completion/complete", {"ref": {"type": "ref/prompt", "name": SECRET}, "argument": SECRET}),
        request("tools/call", {"name": {"x": SECRET}}),
        notification("notifications/cancelled", {"requestId": SECRET, "reason": SECRET}),
        {"jsonrpc": "2.0", "id": "unknown", "result": {"content": SECRET}},
        {"jsonrpc": "2.0", "id": 1, "method": 5, "params": SECRET},
    ):
        await (await session.post(one, message, x_planted=SECRET)).body()
    await (await modern(one, "tools/call", {"name": "leaky", "arguments": arguments})).body()
    await (await modern(one, "tools/call", {"name": "echo"}, mcp_name=SECRET)).body()
    one.tokens.withdrawn.add(SECRET)
    await (await modern(one, "tools/list", token=SECRET)).body()
    path = f"/mcp?access_token={SECRET}"
    await (await one.http.request("POST", path, headers=headers_for(), body=b"{}")).body()
    await (await session.get(one, SECRET)).body()
    await (await Session(SECRET).delete(one)).body()
    assert len(lines.all()) >= 14
    assert SECRET not in lines.text
    assert lines.text.isascii()
    assert not lines.all(username="mallory")


@pytest.mark.parametrize("added", ["", "&a=b", "&sessionId=", "&" * 100_000])
async def test_a_refused_message_of_http_sse_has_the_session_of_its_query_however_long_that_is(
    lines: Lines, one: Process, added: str
) -> None:
    stream = await one.http.request("GET", "/sse", headers=headers_for("alice", accept="text/event-stream"))
    path = (await stream.next_event()).data or ""
    await one.http.request("POST", f"{path}{added}", headers=headers_for("alice"), body=b"{")
    await stream.drop()
    [session] = parse_qs(urlsplit(path).query)["sessionId"]
    assert lines.one(outcome="refused")["session"] == session[:8]
