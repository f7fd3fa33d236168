"""2026-07-28: the header rules, and errors as JSON-RPC errors with their HTTP status."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
from typing import Any

import pytest
from mcp.server.mcpserver import Context
from mcp.server.subscriptions import ListenHandler
from mcp.shared.subscriptions import ToolsListChanged

from mcp_app.transports import listening_places, stateless
from mcp_app.transports.stateless import _BACKLOG
from tests.mcp_app.transports.support import (
    MODERN,
    Held,
    Process,
    headers_for,
    modern,
    request,
    text_of,
    within,
)
from tests.support.asgi import Response
from tests.support.waiting import eventually

META = "io.modelcontextprotocol/"
HEADER_MISMATCH = -32020


async def _error(response: Response, status: int, code: int) -> Any:
    assert (response.status, response.content_type) == (status, "application/json"), await response.body()
    refusal = await response.json()
    assert refusal["jsonrpc"] == "2.0"
    assert refusal["error"]["code"] == code
    return refusal


async def test_a_call_needs_no_session_at_any_process(one: Process, other: Process) -> None:
    for process in (one, other):
        params = {"name": "echo", "arguments": {"message": "x"}}
        response = await modern(process, "tools/call", params, mcp_session_id="ignored")
        assert (response.status, response.content_type) == (200, "application/json")
        assert text_of(await response.json()) == "Echo: x"
        assert "mcp-session-id" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"mcp_method": None},
        {"mcp_method": "tools/list"},
        {"mcp_method": "TOOLS/CALL"},
        {"mcp_name": None},
        {"mcp_name": "add"},
        {"mcp_name": "=?base64?!!!?="},
    ],
)
async def test_headers_that_do_not_match_the_body_are_refused(one: Process, headers: Any) -> None:
    response = await modern(one, "tools/call", {"name": "echo", "arguments": {"message": "x"}}, **headers)
    assert (await _error(response, 400, HEADER_MISMATCH))["id"] == 1


@pytest.mark.parametrize(
    ("method", "params", "headers", "said"),
    [
        ("tools/call", {"name": "echo"}, {"mcp_method": None}, "Mcp-Method is missing"),
        ("tools/list", {}, {"mcp_method": None}, "Mcp-Method is missing"),
        ("tools/list", {}, {"mcp_method": "tools/call"}, "Mcp-Method does not match the request's method"),
        ("tools/call", {"name": "echo"}, {"mcp_name": None}, "Mcp-Name is missing"),
        ("prompts/get", {"name": "simple_prompt"}, {"mcp_name": None}, "Mcp-Name is missing"),
        ("resources/read", {"uri": "test://static/resource/1"}, {"mcp_name": None}, "Mcp-Name is missing"),
        (
            "resources/read",
            {"uri": "test://x"},
            {"mcp_name": "test://y"},
            "does not match the body's `params.uri`",
        ),
        ("tools/call", {"name": "echo"}, {"mcp_name": "=?base64?!!?="}, "invalid base64"),
        ("tasks/get", {"taskId": "t1"}, {}, "Mcp-Name is missing"),
        ("tasks/cancel", {"taskId": "t1"}, {"mcp_name": "t2"}, "does not match the body's `params.taskId`"),
    ],
)
async def test_the_refusal_of_a_header_says_what_is_wrong_with_it(
    one: Process, method: str, params: Any, headers: Any, said: str
) -> None:
    tasks: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    response = await modern(one, method, params, capabilities=tasks, **headers)
    assert said in (await _error(response, 400, HEADER_MISMATCH))["error"]["message"]


@pytest.mark.parametrize("header", [None, "5", "echo"])
@pytest.mark.parametrize("name", [5, [], {"a": 1}, True])
@pytest.mark.parametrize(("method", "key"), [("tools/call", "name"), ("resources/read", "uri")])
async def test_a_name_that_is_not_a_string_is_an_error_of_the_body(
    one: Process, method: str, key: str, name: Any, header: str | None
) -> None:
    refusal = await _error(await modern(one, method, {key: name}, mcp_name=header), 400, -32602)
    assert f"`params.{key}` must be a string" in refusal["error"]["message"]


async def test_a_version_in_the_body_that_differs_from_the_header_is_refused(one: Process) -> None:
    params = {"_meta": {META + "protocolVersion": "2025-11-25"}}
    await _error(await modern(one, "tools/list", params), 400, HEADER_MISMATCH)


async def test_a_repeated_header_is_refused(one: Process) -> None:
    good = headers_for(mcp_protocol_version=MODERN, mcp_method="tools/list")
    meta = {"_meta": {META + "protocolVersion": MODERN, META + "clientCapabilities": {}}}
    body = json.dumps(request("tools/list", meta)).encode()
    headers = [*good.items(), ("mcp-method", "tools/list")]
    await _error(await one.http.request("POST", headers=headers, body=body), 400, HEADER_MISMATCH)


@pytest.mark.parametrize("header", [None, "us-west2", "=?base64?!?="])
async def test_a_parameter_header_that_does_not_match_is_refused(one: Process, header: str | None) -> None:
    params = {"name": "test_x_mcp_header", "arguments": {"region": "us-west1"}}
    response = await modern(one, "tools/call", params, mcp_param_region=header)
    await _error(response, 400, HEADER_MISMATCH)


@pytest.mark.parametrize("second", ["eu-west", "us-east"])
async def test_a_repeated_parameter_header_is_refused(one: Process, second: str) -> None:
    name = "test_x_mcp_header"
    given = headers_for(mcp_protocol_version=MODERN, mcp_method="tools/call", mcp_name=name)
    meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": {}}
    params = {"name": name, "arguments": {"region": "eu-west"}, "_meta": meta}
    response = await one.http.request(
        "POST",
        headers=[*given.items(), ("mcp-param-region", "eu-west"), ("mcp-param-region", second)],
        body=json.dumps(request("tools/call", params)).encode(),
    )
    await _error(response, 400, HEADER_MISMATCH)


async def test_a_parameter_header_that_matches_is_served(one: Process) -> None:
    params = {"name": "test_x_mcp_header", "arguments": {"region": "us-west1"}}
    response = await modern(one, "tools/call", params, mcp_param_region="us-west1")
    assert (await response.json())["result"].get("isError", False) is False


def sentinel(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


SAFE = ["us-west1", "", "a\tb", "?=", "=?base64?", "a b"]
"""Values that a header can hold as they are."""
UNSAFE = [" ", " padded ", "\ttab", "=?base64??=", "日本", "line\nbreak", "\x00"]
"""Values that must be encoded: HTTP would change them, cannot write them, or they look encoded."""


@pytest.mark.parametrize("value", [*SAFE, *UNSAFE])
async def test_any_parameter_may_be_encoded_in_its_header(one: Process, value: str) -> None:
    """2026-07-28, Streamable HTTP, Header Value Encoding."""
    params = {"name": "test_x_mcp_header", "arguments": {"region": value}}
    response = await modern(one, "tools/call", params, mcp_param_region=sentinel(value))
    assert (await response.json())["result"].get("isError", False) is False


@pytest.mark.parametrize("value", SAFE)
async def test_a_parameter_that_a_header_can_hold_may_be_sent_as_it_is(one: Process, value: str) -> None:
    params = {"name": "test_x_mcp_header", "arguments": {"region": value}}
    response = await modern(one, "tools/call", params, mcp_param_region=value)
    assert (await response.json())["result"].get("isError", False) is False


@pytest.mark.parametrize("value", [value for value in UNSAFE if value.isascii()])
async def test_a_parameter_that_a_header_cannot_hold_must_be_encoded(one: Process, value: str) -> None:
    params = {"name": "test_x_mcp_header", "arguments": {"region": value}}
    as_http_servers_hand_it_on = value.strip(" \t")
    response = await modern(one, "tools/call", params, mcp_param_region=as_http_servers_hand_it_on)
    await _error(response, 400, HEADER_MISMATCH)


@pytest.mark.parametrize("missing", ["protocolVersion", "clientCapabilities", "everything"])
async def test_a_request_without_its_meta_is_refused(one: Process, missing: str) -> None:
    meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": {}}
    meta.pop(META + missing, None)
    params = {} if missing == "everything" else {"_meta": meta}
    headers = headers_for(mcp_protocol_version=MODERN, mcp_method="tools/list")
    body = json.dumps(request("tools/list", params)).encode()
    await _error(await one.http.request("POST", headers=headers, body=body), 400, -32602)


@pytest.mark.parametrize(
    "method",
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "no/such"],
)
async def test_a_removed_method_is_404(one: Process, method: str) -> None:
    await _error(await modern(one, method), 404, -32601)


async def test_a_missing_capability_is_400_and_named(one: Process) -> None:
    response = await modern(one, "tools/call", {"name": "test_missing_capability"}, capabilities={})
    refusal = await _error(response, 400, -32021)
    assert refusal["error"]["data"] == {"requiredCapabilities": {"sampling": {}}}


@pytest.mark.parametrize("name", ["no-such-tool", ""])
async def test_an_unknown_tool_is_an_error(one: Process, name: str) -> None:
    await _error(await modern(one, "tools/call", {"name": name}, mcp_name=name), 400, -32602)


async def test_a_notification_is_acknowledged(one: Process) -> None:
    body = json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}).encode()
    headers = headers_for(mcp_protocol_version=MODERN)
    response = await one.http.request("POST", headers=headers, body=body)
    assert (response.status, await response.body()) == (202, b"")


async def test_a_posted_response_is_refused(one: Process) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": "a", "result": {}}).encode()
    response = await one.http.request("POST", headers=headers_for(mcp_protocol_version=MODERN), body=body)
    await _error(response, 400, -32600)


async def test_a_call_that_notifies_streams_without_event_ids(one: Process) -> None:
    params = {"name": "test_tool_with_progress", "arguments": {}, "_meta": {"progressToken": "p"}}
    stream = await modern(one, "tools/call", params)
    assert (stream.status, stream.content_type) == (200, "text/event-stream")
    assert stream.headers["x-accel-buffering"] == "no"
    events = [event async for event in stream.events()]
    assert [event.id for event in events] == [None] * 4
    assert text_of(events[-1].message) == "Tool with progress executed successfully"


async def test_a_change_at_another_process_reaches_an_open_listen_stream(
    one: Process, other: Process
) -> None:
    stream = await modern(one, "subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    assert stream.content_type == "text/event-stream"
    acknowledged = await stream.next_message()
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    await (await modern(other, "tools/call", {"name": "test_trigger_tool_change"})).answer()
    assert (await stream.next_message())["method"] == "notifications/tools/list_changed"


async def test_closing_the_stream_cancels_the_call(one: Process) -> None:
    held = Held(one)
    params = {"name": "held", "arguments": {}, "_meta": {"progressToken": "p"}}
    stream = await modern(one, "tools/call", params)
    await stream.next_message()
    await within(held.started.wait())
    await stream.drop()
    await within(held.ended.wait())
    assert held.was_cancelled


@pytest.mark.parametrize("says_something", [True, False], ids=["stream", "json"])
async def test_an_answer_that_cannot_be_written_as_json_is_an_internal_error(
    one: Process, says_something: bool
) -> None:
    async def torn(ctx: Context) -> str:
        if says_something:
            await ctx.report_progress(1)
        return "half a character: \ud83d"

    one.runtime.server.add_tool(torn, structured_output=False)
    params = {"name": "torn", "arguments": {}, "_meta": {"progressToken": "p"}}
    response = await modern(one, "tools/call", params, id="the call")
    assert response.content_type == ("text/event-stream" if says_something else "application/json")
    answer = await response.answer()
    assert (answer["id"], answer["error"]["code"]) == ("the call", -32603)


async def test_a_cancelled_call_with_a_full_backlog_ends_its_response(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, go_on = 0, asyncio.Event()
    send = Response.send

    async def send_slowly(self: Response, message: Any) -> None:
        await send(self, message)
        if message["type"] == "http.response.body":
            await go_on.wait()

    async def chatty(ctx: Context) -> str:
        nonlocal sent
        while True:
            await ctx.report_progress(sent)
            sent += 1

    monkeypatch.setattr(Response, "send", send_slowly)
    one.runtime.server.add_tool(chatty, structured_output=False)
    params = {"name": "chatty", "arguments": {}, "_meta": {"progressToken": "p"}}
    stream = await modern(one, "tools/call", params)
    await eventually(lambda: sent > _BACKLOG)
    stream.leave()
    await eventually(lambda: len(one.runtime.stateless_calls) == 0)
    go_on.set()
    await stream.drop()


async def test_a_call_that_sends_too_much_for_one_connection_gets_an_error_that_names_the_limit(
    one: Process, mcp_settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    mcp_settings.MCP_MAX_STREAM_BYTES = 1024
    was_cancelled = asyncio.Event()

    async def talkative(ctx: Context) -> None:
        try:
            for n in range(100):
                await ctx.report_progress(n, 100, "x" * 100)
            await asyncio.Event().wait()
        finally:
            was_cancelled.set()

    one.runtime.server.add_tool(talkative)
    params = {"name": "talkative", "arguments": {}, "_meta": {"progressToken": 1}}
    *progress, last = await (await modern(one, "tools/call", params)).messages()
    assert 0 < len(progress) < 100
    assert last["id"] == 1
    assert last["error"]["data"] == {"reason": "stream_too_long", "limit": 1024}
    assert "MCP_MAX_STREAM_BYTES" in last["error"]["message"]
    await within(was_cancelled.wait())
    [logged] = [record for record in caplog.records if record.getMessage() == "stream ended: it is too long"]
    assert vars(logged)["method"] == "tools/call"


async def test_a_listen_stream_that_sent_too_much_for_one_connection_ends_in_order(
    one: Process, mcp_settings: Any
) -> None:
    mcp_settings.MCP_MAX_STREAM_BYTES = 1024
    stream = await modern(one, "subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    assert (await stream.next_message())["method"] == "notifications/subscriptions/acknowledged"
    for _ in range(20):
        await one.runtime.subscription_bus.publish(ToolsListChanged())
    *changes, last = await stream.messages()
    assert {change["method"] for change in changes} == {"notifications/tools/list_changed"}
    assert last["id"] == 1
    assert "result" in last


@pytest.mark.parametrize("says_something", [True, False], ids=["stream", "json"])
async def test_a_call_that_crashes_outside_of_its_handler_gets_an_error(
    one: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, says_something: bool
) -> None:
    async def crash(server: Any, call: Any, *args: Any) -> None:
        if says_something:
            await call.notify("notifications/message", {"level": "info", "data": "first"})
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(stateless, "serve", crash)
    response = await modern(one, "tools/call", {"name": "echo", "arguments": {"message": "x"}})
    if says_something:
        _, answer = await response.messages()
    else:
        answer = await _error(response, 500, -32603)
    assert answer["id"] == 1
    assert answer["error"] == {"code": -32603, "message": "Internal server error"}
    assert "a fault of ours" in caplog.text
    await eventually(lambda: not len(one.runtime.stateless_calls))


async def test_the_state_of_one_process_is_accepted_by_the_other_but_not_with_another_token(
    one: Process, other: Process
) -> None:
    name = "test_input_required_result_request_state"
    asked = await (await modern(one, "tools/call", {"name": name})).answer()
    state = asked["result"]["requestState"]
    key = next(iter(asked["result"]["inputRequests"]))
    params = {
        "name": name,
        "requestState": state,
        "inputResponses": {key: {"action": "accept", "content": {"ok": True}}},
    }
    answer = await (await modern(other, "tools/call", params)).answer()
    assert "state-ok" in text_of(answer)
    stolen = await (await modern(other, "tools/call", params, token="mallory")).answer()
    assert "error" in stolen


async def _acknowledged(at: Process, uris: Any) -> Any:
    stream = await modern(at, "subscriptions/listen", {"notifications": {"resourceSubscriptions": uris}})
    message = await stream.next_message()
    assert message["method"] == "notifications/subscriptions/acknowledged"
    stream.leave()
    return message["params"]["notifications"].get("resourceSubscriptions")


async def test_a_listen_stream_has_the_same_uri_limits_as_a_session(one: Process, mcp_settings: Any) -> None:
    mcp_settings.MCP_MAX_SUBSCRIPTIONS = 3
    longest, longer, first, second, third = (
        f"test://template/{'x' * count}/data" for count in (2048 - 21, 2048 - 20, 1, 2, 3)
    )
    assert len(longest) == 2048
    kept = await _acknowledged(one, [longest, first, longer, "", first, second, third])
    assert kept == [longest, first, second]
    assert await _acknowledged(one, [longer * 2] * 1000) is None


@pytest.mark.parametrize("uris", ["a:b", [1], {"a": 1}])
async def test_uris_that_are_no_array_of_strings_are_refused(one: Process, uris: Any) -> None:
    response = await modern(one, "subscriptions/listen", {"notifications": {"resourceSubscriptions": uris}})
    refusal = await _error(response, 400, -32602)
    assert "resourceSubscriptions" in refusal["error"]["message"]


async def test_one_listen_stream_more_than_a_process_serves_gets_an_error_that_names_the_limit(
    one: Process, other: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening_places, "MAX_LISTENING", 2)

    async def listen(at: Process) -> Response:
        return await modern(at, "subscriptions/listen", {"notifications": {"toolsListChanged": True}})

    streams = [await listen(one) for _ in range(2)]
    refused = await listen(one)
    error = (await refused.json())["error"]
    assert (refused.status, error["data"]) == (503, {"limit": 2})
    assert " 2 requests of subscriptions/listen" in error["message"]
    assert (await listen(other)).status == 200
    await streams[0].drop()
    await eventually(lambda: len(one.runtime.listening) == 1)
    assert (await listen(one)).status == 200


async def test_requests_of_listen_at_once_do_not_get_past_the_number_that_a_process_serves(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening_places, "MAX_LISTENING", 2)
    listening = (
        modern(one, "subscriptions/listen", {"notifications": {"toolsListChanged": True}}) for _ in range(6)
    )
    statuses = [response.status for response in await asyncio.gather(*listening)]
    assert sorted(statuses) == [200] * 2 + [503] * 4


def test_the_sdk_serves_as_many_listen_streams() -> None:
    parameters = inspect.signature(ListenHandler).parameters
    assert parameters["max_subscriptions"].default == listening_places.MAX_LISTENING
