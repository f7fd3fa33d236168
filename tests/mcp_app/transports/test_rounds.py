"""Round trips of 2026-07-28 and requests of earlier revisions, including mistakes of clients."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from mcp.server import request_state
from mcp.server.mcpserver import Context, RequestStateSecurity
from mcp.types import InputRequiredResult

from mcp_app.asking import form
from mcp_app.extensions.tasks.declaration import IDENTIFIER
from mcp_app.extensions.tasks.extension import Tasks
from mcp_app.extensions.tasks.support import TaskSupport
from tests.mcp_app.transports.support import (
    EVERYTHING,
    Process,
    Session,
    modern,
    text_of,
    tool_call,
)
from tests.support.engine import make_engine
from tests.support.waiting import eventually

NAMED = {"action": "accept", "content": {"name": "Ada"}}
ROOTS = ["file:///a/../b", "file:///a\tb", "file:///A%2fb/", "file:///Größe", "file://host/x?y#z"]


async def _called(at: Process, name: str, *, capabilities: Any = None, **params: Any) -> Any:
    response = await modern(at, "tools/call", {"name": name, **params}, capabilities=capabilities)
    return await response.answer()


@pytest.mark.parametrize(
    "stray", [{"left-over": {}}, [], "text", None, 1, {"action": "perhaps"}, {"roots": 1}]
)
async def test_an_answer_that_was_not_asked_for_is_ignored_whatever_its_shape(
    one: Process, stray: Any
) -> None:
    answers = {"left over": stray, "inputs": NAMED}
    answer = await _called(one, "elicitInputs", inputResponses=answers)
    assert "Ada" in text_of(answer)
    answer = await _called(one, "echo", arguments={"message": "x"}, inputResponses={"left over": stray})
    assert text_of(answer) == "Echo: x"


@pytest.mark.parametrize("malformed", [{}, [], "text", {"action": "perhaps"}, {"content": {}}])
async def test_a_malformed_answer_to_a_question_is_an_error_that_names_it(
    one: Process, malformed: Any
) -> None:
    answers = {"inputs": malformed, "left over": {}}
    answer = await _called(one, "elicitInputs", inputResponses=answers)
    assert answer["error"]["code"] == -32602
    assert "`params.inputResponses.inputs" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("tool", "key", "malformed", "said", "others"),
    [
        ("elicitInputs", "inputs", {"action": "maybe"}, ("action", "'decline' or 'cancel'"), "roots"),
        ("elicitInputs", "inputs", {"action": "accept", "content": 5}, ("content", "an object"), "model"),
        ("elicitInputs", "inputs", {"content": {}}, ("action", "is required"), "model"),
        ("get-roots-list", "roots", {"roots": [{"uri": "/home"}]}, ("roots[0].uri", "must"), "action"),
        ("get-roots-list", "roots", {"roots": {}}, ("roots", "must be an array"), "model"),
        ("sampleLLM", "completion", {"role": "user", "model": "m"}, ("content", "is required"), "action"),
        ("sampleLLM", "completion", {"role": "x", "model": "m", "content": []}, ("role", "'user'"), "roots"),
    ],
)
async def test_a_malformed_answer_is_validated_against_the_requested_type(
    one: Process, tool: str, key: str, malformed: Any, said: tuple[str, str], others: str
) -> None:
    arguments = {"prompt": "x"} if tool == "sampleLLM" else {}
    answer = await _called(one, tool, arguments=arguments, inputResponses={key: malformed})
    message = answer["error"]["message"]
    field, rule = said
    assert answer["error"]["code"] == -32602
    assert f"`params.inputResponses.{key}.{field}`" in message
    assert rule in message
    assert f".{others}`" not in message
    assert f".{key}` is required" not in message


async def test_malformed_answers_excuse_no_other_fault(one: Process) -> None:
    answer = await _called(one, "elicitInputs", inputResponses={"left over": {}}, arguments=[])
    assert answer["error"]["code"] == -32602
    assert "`params.arguments` must be an object" in answer["error"]["message"]


@pytest.mark.parametrize("responses", [[], "text", 1])
async def test_input_responses_that_are_no_object_are_an_error(one: Process, responses: Any) -> None:
    answer = await _called(one, "echo", arguments={"message": "x"}, inputResponses=responses)
    assert answer["error"]["code"] == -32602
    assert "`params.inputResponses` must be an object" in answer["error"]["message"]


@pytest.mark.parametrize("padding", ["x" * 600_000, "é" * 300_000, '"' * 300_000, "x" * 3_000_000])
async def test_a_conversation_that_outgrows_a_request_makes_the_tool_fail(one: Process, padding: str) -> None:
    sampling: dict[str, Any] = {"sampling": {"tools": {}}}
    arguments = {"prompt": "x"}
    answer = await _called(one, "sample-with-tools", arguments=arguments, capabilities=sampling)
    rounds = 1
    while answer["result"]["resultType"] == "input_required":
        rounds += 1
        (key,) = answer["result"]["inputRequests"]
        call = {
            "type": "tool_use",
            "id": f"c{rounds}",
            "name": "multiply",
            "input": {"a": 1, "b": 2, "x": padding},
        }
        turn = {"role": "assistant", "model": "m", "content": [call]}
        answer = await _called(
            one,
            "sample-with-tools",
            arguments=arguments,
            capabilities=sampling,
            inputResponses={key: turn},
            requestState=answer["result"].get("requestState"),
        )
        assert "result" in answer, answer
    assert rounds < 6
    assert answer["result"]["isError"] is True
    assert "too long" in text_of(answer)


@pytest.mark.parametrize(
    "elicitation", [{"voice": {}}, {"voice": {}, "video": {}}, {"form": None, "voice": {}}]
)
async def test_a_client_with_only_unknown_modes_is_not_asked(one: Process, elicitation: Any) -> None:
    capabilities = {"elicitation": elicitation}
    session = await Session.open(one, capabilities=capabilities)
    answer = await session.call(one, "elicitInputs")
    assert answer["result"]["isError"] is True
    assert "elicitation.form" in text_of(answer)
    refused = await _called(one, "elicitInputs", capabilities=capabilities)
    assert refused["error"]["code"] == -32021
    assert "elicitation.form" in refused["error"]["message"]


@pytest.mark.parametrize("elicitation", [{}, {"form": {}}, {"form": {}, "voice": {}}, {"form": None}])
async def test_a_client_with_forms_or_an_empty_object_is_asked(one: Process, elicitation: Any) -> None:
    capabilities = {"elicitation": elicitation}
    asked = await _called(one, "elicitInputs", capabilities=capabilities)
    assert asked["result"]["resultType"] == "input_required"
    session = await Session.open(one, capabilities=capabilities)
    stream = await session.post(one, tool_call("elicitInputs"))
    assert (await stream.next_message())["method"] == "elicitation/create"


async def test_roots_are_shown_as_the_client_names_them(one: Process, session: Session) -> None:
    roots = {"roots": [{"uri": uri} for uri in ROOTS]}
    stream = await session.post(one, tool_call("get-roots-list"))
    asked = await stream.next_message()
    await session.post(one, {"jsonrpc": "2.0", "id": asked["id"], "result": roots})
    told = text_of(await stream.next_message())
    assert told.splitlines()[1:] == ROOTS
    answer = await _called(one, "get-roots-list", inputResponses={"roots": roots})
    assert answer["result"]["structuredContent"] == roots["roots"]
    assert text_of(answer) == told


async def test_a_root_that_is_not_a_file_uri_is_refused(one: Process, session: Session) -> None:
    stream = await session.post(one, tool_call("get-roots-list"))
    asked = await stream.next_message()
    result = {"roots": [{"uri": "https://example.com"}]}
    await session.post(one, {"jsonrpc": "2.0", "id": asked["id"], "result": result})
    assert (await stream.next_message())["result"]["isError"] is True


def test_a_state_is_good_for_as_long_as_any_task_lives(mcp_settings: Any) -> None:
    def state_seconds(tools: dict[str, TaskSupport]) -> float:
        security: RequestStateSecurity = make_engine().options(extensions=[Tasks(tools)])[
            "request_state_security"
        ]
        return security.ttl

    mcp_settings.MCP_TASK_SECONDS = 900
    assert state_seconds({"a": TaskSupport()}) == 900
    assert state_seconds({"a": TaskSupport(ttl_seconds=60)}) == 600
    assert state_seconds({"a": TaskSupport(), "b": TaskSupport(ttl_seconds=5000)}) == 5000
    mcp_settings.MCP_TASK_SECONDS = 10
    assert state_seconds({"a": TaskSupport()}) == 600


async def test_a_task_that_asks_with_a_state_can_be_answered_until_its_end(
    start_process: Callable[[], Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.demonstration.task_tools", lambda **_: {"asks": TaskSupport()})
    one = start_process()

    async def asks(ctx: Context) -> str | InputRequiredResult:
        if ctx.input_responses:
            return f"state {ctx.request_state}"
        return InputRequiredResult(
            input_requests={"name": form("Name?", {"type": "object", "properties": {}})}, request_state="kept"
        )

    one.runtime.server.add_tool(asks, structured_output=False)
    capabilities = EVERYTHING | {"extensions": {IDENTIFIER: {}}}
    task_id = (await _called(one, "asks", capabilities=capabilities))["result"]["taskId"]

    async def task(method: str = "tasks/get", **params: Any) -> Any:
        response = await modern(
            one, method, {"taskId": task_id, **params}, capabilities=capabilities, mcp_name=task_id
        )
        return (await response.answer())["result"]

    async def is_in(status: str) -> bool:
        return (await task())["status"] == status

    await eventually(lambda: is_in("input_required"))
    later = SimpleNamespace(time=lambda: time.time() + 850)
    monkeypatch.setattr(request_state, "time", later)
    await task("tasks/update", inputResponses={"name": NAMED})
    await eventually(lambda: is_in("completed"))
    assert (await task())["result"]["content"][0]["text"] == "state kept"


ANSWERS: dict[str, list[tuple[Any, str]]] = {
    "elicitInputs": [
        ({}, "`action` is required"),
        ({"action": None}, "`action` must be 'accept',"),
        ({"action": "ok"}, "`action` must be 'accept',"),
        ({"action": "accept", "content": []}, "`content` must be an object"),
        ({"action": "accept", "content": {"name": "Ada", "color": {"deep": 1}}}, "`content.color` must be"),
        ({"action": "accept", "content": {"name": 5}}, "`name` must be a string"),
    ],
    "sampleLLM": [
        ({"role": "assistant", "content": {"type": "text", "text": "x"}}, "`model` is required"),
        (
            {"role": "assistant", "model": 5, "content": {"type": "text", "text": "x"}},
            "`model` must be a string",
        ),
        ({"role": "system", "model": "m", "content": {"type": "text", "text": "x"}}, "`role` must be "),
        ({"role": "assistant", "model": "m"}, "`content` is required"),
        ({"role": "assistant", "model": "m", "content": "x"}, "`content` must be an object or an array"),
        ({"role": "assistant", "model": "m", "content": {"type": "text"}}, "`content.text` is required"),
        ({"role": "assistant", "model": "m", "content": {"type": "video"}}, "`content.type` must be 'text'"),
        (
            {"role": "assistant", "model": "m", "content": [{"type": "text"}]},
            "`content[0].text` is required",
        ),
        (
            {
                "role": "assistant",
                "model": "m",
                "content": {"type": "image", "data": "%", "mimeType": "image/png"},
            },
            "`content.data` must be base64",
        ),
        (
            {
                "role": "assistant",
                "model": "m",
                "content": {"type": "tool_result", "toolUseId": "1", "content": []},
            },
            "`content` must not be a tool result",
        ),
    ],
    "get-roots-list": [
        ({}, "`roots` is required"),
        ({"roots": None}, "`roots` must be an array"),
        ({"roots": ["file:///a"]}, "`roots[0]` must be an object"),
        ({"roots": [{"name": "x"}]}, "`roots[0].uri` is required"),
        ({"roots": [{"uri": "https://a/"}]}, "`roots[0].uri` "),
        ({"roots": [{"uri": "file:///a", "name": 5}]}, "`roots[0].name` must be a string"),
    ],
}
"""Answers of clients that are mistaken, and what they are told."""


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("tool", ANSWERS)
async def test_a_client_is_told_which_field_of_its_answer_is_wrong(
    one: Process, session: Session, tool: str, era: str
) -> None:
    arguments = {"prompt": "x"} if tool == "sampleLLM" else {}
    for answer, expected in ANSWERS[tool]:
        if era == "2026-07-28":
            asked = await _called(one, tool, arguments=arguments)
            (key,) = asked["result"]["inputRequests"]
            told = await _called(one, tool, arguments=arguments, inputResponses={key: answer})
            where = f"params.inputResponses.{key}."
        else:
            stream = await session.post(one, tool_call(tool, arguments))
            asked = await stream.next_message()
            await session.post(one, {"jsonrpc": "2.0", "id": asked["id"], "result": answer})
            told, where = await stream.next_message(), ""
        said = told["error"]["message"] if "error" in told else text_of(told)
        assert "error" in told or told["result"]["isError"]
        assert expected in said.replace(where, ""), (answer, said)
        assert ";" not in said, (answer, said)  # nothing else is wrong
