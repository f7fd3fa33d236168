"""Questions of a task: asked, answered one by one, in any process, and only once."""

import json

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from mcp_app.extensions.tasks.store import MAX_ANSWERS_BYTES
from tests.e2e.tools import filled
from tests.everything_site.demo.test_lazy_client import required


def said(text):
    return {"action": "accept", "content": {"text": text}}


async def test_questions_are_answered_one_by_one(here, there):
    task_id = (await here.call("asks_two"))["taskId"]
    task = await there.until(task_id, "input_required")
    assert set(task["inputRequests"]) == {"first", "second"}
    assert task["inputRequests"]["first"]["method"] == "elicitation/create"
    acknowledged = await there.update(task_id, {"first": said("one")})
    assert set(acknowledged) - {"_meta"} == {"resultType"}
    task = await here.get(task_id)
    assert (task["status"], set(task["inputRequests"])) == ("input_required", {"second"})
    await here.update(task_id, {"second": said("two")})
    task = await there.until(task_id, "completed")
    assert task["result"]["content"][0]["text"] == "one and two"


async def test_a_task_that_waits_for_answers_needs_no_process(here, there):
    task_id = (await here.call("asks_two"))["taskId"]
    await here.until(task_id, "input_required")
    await here.crash()
    await there.update(task_id, {"first": said("one"), "second": said("two")})
    assert (await there.until(task_id, "completed"))["result"]["content"][0]["text"] == "one and two"


async def test_answers_that_nobody_asked_for_are_ignored(here):
    task_id = (await here.call("asks_two"))["taskId"]
    before = await here.until(task_id, "input_required")
    assert (await here.update(task_id, {"third": {"ignored": True}}))["resultType"] == "complete"
    assert await here.get(task_id) == before


async def test_an_answer_is_accepted_once(here):
    task_id = (await here.call("asks_two"))["taskId"]
    await here.until(task_id, "input_required")
    await here.update(task_id, {"first": said("one")})
    await here.update(task_id, {"first": said("another"), "second": said("two")})
    assert (await here.until(task_id, "completed"))["result"]["content"][0]["text"] == "one and two"


async def test_a_task_that_is_cancelled_as_it_is_answered_does_not_begin_its_next_run(
    here, there, monkeypatch
):
    task_id = (await here.call("asks_two"))["taskId"]
    await here.until(task_id, "input_required")
    answer = here.store.answer

    async def answer_and_be_cancelled(*args):
        run = await answer(*args)
        await there.cancel(task_id)
        return run

    monkeypatch.setattr(here.store, "answer", answer_and_be_cancelled)
    await here.update(task_id, {"first": said("one"), "second": said("two")})
    assert len(here.tasks.runs) == 0
    assert (await here.get(task_id))["status"] == "cancelled"


async def test_answers_that_are_too_large_are_refused_and_the_questions_stay(here):
    task_id = (await here.call("asks_two"))["taskId"]
    await here.until(task_id, "input_required")
    with pytest.raises(MCPError, match="too large") as caught:
        await here.update(task_id, {"first": said("x" * MAX_ANSWERS_BYTES)})
    assert caught.value.code == INVALID_PARAMS
    assert set((await here.get(task_id))["inputRequests"]) == {"first", "second"}


async def test_an_answer_is_counted_in_bytes_of_utf_8_and_not_of_escapes(here):
    task_id = (await here.call("asks_two"))["taskId"]
    await here.until(task_id, "input_required")
    text = "é" * (MAX_ANSWERS_BYTES // 2 - 500)
    await here.update(task_id, {"first": said(text)})
    with pytest.raises(MCPError, match="too large"):
        await here.update(task_id, {"second": said("é" * (MAX_ANSWERS_BYTES // 2))})
    await here.update(task_id, {"second": said("two")})
    task = await here.until(task_id, "completed")
    assert task["result"]["content"][0]["text"] == f"{text} and two"


async def test_an_answer_of_the_wrong_type_is_refused_and_the_question_stays_open(here):
    task_id = (await here.call("asks_two"))["taskId"]
    before = await here.until(task_id, "input_required")
    with pytest.raises(MCPError) as caught:
        await here.update(task_id, {"first": {"roots": []}})
    assert caught.value.code == INVALID_PARAMS
    assert await here.get(task_id) == before


async def test_a_question_asked_again_has_another_key(here, there):
    task_id = (await here.call("asks_again"))["taskId"]
    assert set((await here.until(task_id, "input_required"))["inputRequests"]) == {"sure"}
    await there.update(task_id, {"sure": said("no")})
    assert set((await here.until(task_id, "input_required"))["inputRequests"]) == {"sure-2"}
    await here.update(task_id, {"sure-2": said("yes")})
    assert (await there.until(task_id, "completed"))["result"]["content"][0]["text"] == "state kept"


async def test_a_task_never_shows_the_state_of_its_rounds(here):
    task_id = (await here.call("asks_again"))["taskId"]
    assert "requestState" not in await here.until(task_id, "input_required")


async def test_a_task_that_waits_can_be_cancelled(here, there):
    task_id = (await here.call("asks_two"))["taskId"]
    await here.until(task_id, "input_required")
    await there.cancel(task_id)
    task = await here.get(task_id)
    assert task["status"] == "cancelled"
    assert "inputRequests" not in task
    await here.update(task_id, {"first": said("one"), "second": said("two")})
    assert (await here.get(task_id))["status"] == "cancelled"


@pytest.mark.parametrize("answer", [{}, {"confirm": "yes"}, {"confirm": 1}, {"confirm": None}])
async def test_an_answer_that_does_not_fit_its_form_leaves_the_question_open(demonstration, answer):
    task_id = (await demonstration.call("confirm_delete", {"filename": "x"}))["taskId"]
    (key,) = (await demonstration.until(task_id, "input_required"))["inputRequests"]
    with pytest.raises(MCPError, match="`confirm`") as caught:
        await demonstration.update(task_id, {key: {"action": "accept", "content": answer}})
    assert caught.value.code == INVALID_PARAMS
    assert (await demonstration.get(task_id))["status"] == "input_required"
    await demonstration.update(task_id, {key: {"action": "accept", "content": {"confirm": True}}})
    task = await demonstration.until(task_id, "completed")
    assert "was deleted" in task["result"]["content"][0]["text"]


WEATHER = {"name": "weather", "inputSchema": {"type": "object"}}


def use(call_id):
    return {"type": "tool_use", "id": call_id, "name": "weather", "input": {}}


@pytest.mark.parametrize(
    ("tools", "calls", "reason"),
    [
        (None, ["a"], "none was offered"),
        ([], ["a"], "none was offered"),
        (None, ["a", "b"], "none was offered"),
        ([WEATHER], ["a", "a"], "the same id"),
    ],
)
async def test_what_a_model_may_not_answer_leaves_the_question_open(here, tools, calls, reason):
    params = {
        "messages": [{"role": "user", "content": {"type": "text", "text": "?"}}],
        "maxTokens": 10,
    } | ({} if tools is None else {"tools": tools})
    request = {"method": "sampling/createMessage", "params": params}
    owner = json.dumps(["client", None, "alice"], separators=(",", ":"))
    task = await here.store.create(owner, "careful", {})
    await here.store.ask(task, {"model": request}, None)
    said = {"role": "assistant", "model": "m", "content": [use(call) for call in calls]}
    with pytest.raises(MCPError, match=f"inputResponses.model: .*{reason}") as caught:
        await here.update(task.id, {"model": said})
    assert caught.value.code == INVALID_PARAMS
    assert list((await here.get(task.id))["inputRequests"]) == ["model"]
    said["content"] = [use("a")] if tools else {"type": "text", "text": "Rain"}
    await here.update(task.id, {"model": said})
    assert (await here.get(task.id))["status"] != "input_required"


@pytest.mark.parametrize(
    ("tool", "arguments", "parameter"),
    [
        ("slow_compute", {"seconds": "1"}, "seconds"),
        ("slow_compute", {}, "seconds"),
        ("slow_compute", {"seconds": 301}, "seconds"),
        ("confirm_delete", {"filename": None}, "filename"),
        ("simulate-research-query", {"topic": "x" * 201}, "topic"),
    ],
)
async def test_arguments_that_a_tool_does_not_take_make_no_task(demonstration, tool, arguments, parameter):
    result = await demonstration.call(tool, arguments)
    assert result["resultType"] == "complete"
    assert result["isError"]
    assert f"`{parameter}`" in result["content"][0]["text"]


async def test_each_tool_with_tasks_ends_when_called_with_what_it_requires(demonstration):
    tools = {tool.name: tool for tool in await demonstration.server.list_tools()}
    for name in demonstration.support:
        ended = await play(demonstration, name, required(tools[name]))
        assert ended["status"] in {"completed", "failed"}, name
        assert ended["status"] == "completed" or name == "protocol_error_job"


async def play(process, name, arguments):
    """Call a tool and answer whatever is asked, before there is a task and while it runs."""
    answers = {}
    while True:
        params = {"name": name, "arguments": arguments, "inputResponses": answers}
        made = await process.request("tools/call", params)
        if made["resultType"] == "task":
            break
        assert made["resultType"] == "input_required", made
        answers |= {key: answer_to(request) for key, request in made["inputRequests"].items()}
    while True:
        task = await process.until(made["taskId"], "completed", "failed", "input_required")
        if task["status"] != "input_required":
            return task
        await process.update(
            made["taskId"], {key: answer_to(request) for key, request in task["inputRequests"].items()}
        )


def answer_to(request):
    fields = request["params"]["requestedSchema"]["properties"]
    return {"action": "accept", "content": {name: filled(fields[name]) for name in fields}}
