"""Malformed parameters: the error names each and the reason, for every method, in both eras."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from mcp_app.extensions.tasks.declaration import IDENTIFIER
from tests.mcp_app.transports.support import (
    Process,
    Session,
    headers_for,
    initialize,
    modern,
    notification,
    request,
)
from tests.support.asgi import Response

INVALID_PARAMS = -32602

IN_BOTH_ERAS: list[tuple[str, Any, str]] = [
    ("tools/call", {"arguments": {}}, "`params.name` is required"),
    ("tools/call", {"name": "echo", "arguments": []}, "`params.arguments` must be an object"),
    ("tools/call", {"name": "echo", "_meta": {"progressToken": {}}}, "`params._meta.progressToken`"),
    ("tools/list", {"cursor": 1}, "`params.cursor` must be a string"),
    ("prompts/get", {"name": "simple_prompt", "arguments": {"a": 1}}, "`params.arguments.a`"),
    ("resources/read", {}, "`params.uri` is required"),
    ("resources/list", {"cursor": {}}, "`params.cursor` must be a string"),
    ("resources/templates/list", {"cursor": False}, "`params.cursor` must be a string"),
    (
        "completion/complete",
        {"ref": {"type": "ref/x"}, "argument": {"name": "a", "value": "b"}},
        "`params.ref.type` must be 'ref/prompt' or 'ref/resource'",
    ),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "a"}}, "`params.argument` is required"),
]
OF_SESSIONS: list[tuple[str, Any, str]] = [
    ("prompts/get", {"name": None}, "`params.name` must be a string"),
    ("tools/call", {"name": 5}, "`params.name` must be a string"),
    ("logging/setLevel", {"level": "loud"}, "`params.level` must be 'alert'"),
    ("logging/setLevel", None, "`params` is required"),
    ("resources/subscribe", {"uri": 1}, "`params.uri` must be a string"),
    ("resources/unsubscribe", {}, "`params.uri` is required"),
    ("ping", {"_meta": 1}, "`params._meta` must be an object"),
]
OF_2026: list[tuple[str, Any, str]] = [
    ("tasks/get", {}, "`params.taskId` is required"),
    ("tasks/update", {"taskId": "x"}, "`params.inputResponses` is required"),
    ("tasks/cancel", {"taskId": "x" * 500}, "`params.taskId` must have at most 128 characters"),
    ("subscriptions/listen", {}, "`params.notifications` is required"),
    (
        "subscriptions/listen",
        {"notifications": {"resourceSubscriptions": ["a", 1]}},
        "`params.notifications.resourceSubscriptions[1]` must be a string",
    ),
]


async def _assert_says(response: Response, reason: str) -> None:
    answer = await response.answer()
    assert answer["id"] == 1
    assert answer["error"]["code"] == INVALID_PARAMS
    assert reason in answer["error"]["message"]
    assert "pydantic" not in str(answer)


@pytest.mark.parametrize(("method", "params", "reason"), IN_BOTH_ERAS + OF_SESSIONS)
async def test_a_session_is_told_which_parameter_is_wrong_and_why(
    one: Process, session: Session, method: str, params: Any, reason: str
) -> None:
    await _assert_says(await session.post(one, request(method, params)), reason)


@pytest.mark.parametrize(("method", "params", "reason"), IN_BOTH_ERAS + OF_2026)
async def test_a_request_of_2026_is_told_which_parameter_is_wrong_and_why(
    one: Process, method: str, params: Any, reason: str
) -> None:
    capabilities: dict[str, Any] = {"extensions": {IDENTIFIER: {}}}
    await _assert_says(await modern(one, method, params, capabilities=capabilities), reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"protocolVersion": 1}, "`params.protocolVersion` must be a string"),
        ({"capabilities": []}, "`params.capabilities` must be an object"),
        ({"clientInfo": {"name": "x"}}, "`params.clientInfo.version` is required"),
    ],
)
async def test_initialize_is_told_which_parameter_is_wrong_and_why(
    one: Process, change: Any, reason: str
) -> None:
    message = initialize()
    message["params"] |= change
    response = await one.http.request("POST", headers=headers_for(), body=json.dumps(message).encode())
    assert "mcp-session-id" not in response.headers
    await _assert_says(response, reason)


async def test_prompt_arguments_that_are_refused_are_named_with_the_reason(
    one: Process, session: Session
) -> None:
    async def numbered(count: int) -> str:
        return str(count)

    one.runtime.server.prompt("numbered")(numbered)
    answer = await (
        await session.post(one, request("prompts/get", {"name": "numbered", "arguments": {"count": "many"}}))
    ).answer()
    assert answer["error"]["code"] == INVALID_PARAMS
    assert "`count` must be an integer" in answer["error"]["message"]


async def test_an_argument_that_a_prompt_does_not_have_is_named(one: Process, session: Session) -> None:
    params = {"name": "complex_prompt", "arguments": {"temperature": "1", "colour": "red"}}
    answer = await (await session.post(one, request("prompts/get", params))).answer()
    assert answer["error"]["code"] == INVALID_PARAMS
    assert answer["error"]["message"] == "Invalid prompt arguments: `colour` is not an argument"


@pytest.mark.parametrize("method", ["tools/list", "tools/call", "resources/read", "logging/setLevel"])
async def test_a_request_before_initialize_is_told_what_to_send_first(one: Process, method: str) -> None:
    stream = await one.http.request("GET", "/sse", headers=headers_for(accept="text/event-stream"))
    endpoint = (await stream.next_event()).data
    assert endpoint is not None
    params = {"name": "echo", "uri": "test://static/resource/1", "level": "info"}
    body = json.dumps(request(method, params)).encode()
    assert (await one.http.request("POST", endpoint, headers=headers_for(), body=body)).status == 202
    answer = await stream.next_message()
    assert answer["error"]["code"] == INVALID_PARAMS
    assert "initialize" in answer["error"]["message"]


async def test_the_server_has_the_limit_of_a_body_for_json_in_a_string(
    one: Process, session: Session
) -> None:
    steps = "[" + "0," * 200_000 + "0]"
    answer = await session.call(one, "longRunningOperation", {"steps": steps})
    assert "`steps` has more than 20000 values" in answer["result"]["content"][0]["text"]


@pytest.mark.parametrize("params", [{}, {"name": "unknown"}, {"_meta": {"progressToken": {}}}], ids=str)
@pytest.mark.parametrize(
    "method",
    ["tools/call", "tasks/get", "logging/setLevel", "initialize", "notifications/initialized", "x/unknown"],
)
async def test_a_notification_is_accepted_whatever_its_method_and_parameters_and_is_no_error_in_the_log(
    one: Process, session: Session, method: str, params: Any, caplog: pytest.LogCaptureFixture
) -> None:
    response = await session.post(one, notification(method, params))
    assert (response.status, await response.body()) == (202, b"")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
