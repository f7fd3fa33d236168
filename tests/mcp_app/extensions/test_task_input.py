"""Questions of a task: asked, answered one by one, in whichever process, and only once."""

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from mcp_app.extensions.tasks.store import MAX_CALL_BYTES


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


async def test_an_answer_counts_once(here):
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
        await here.update(task_id, {"first": said("x" * MAX_CALL_BYTES)})
    assert caught.value.code == INVALID_PARAMS
    assert set((await here.get(task_id))["inputRequests"]) == {"first", "second"}


async def test_an_answer_is_counted_in_bytes_of_utf_8_and_not_of_escapes(here):
    task_id = (await here.call("asks_two"))["taskId"]
    await here.until(task_id, "input_required")
    text = "é" * (MAX_CALL_BYTES // 2 - 500)
    await here.update(task_id, {"first": said(text)})
    with pytest.raises(MCPError, match="too large"):
        await here.update(task_id, {"second": said("é" * (MAX_CALL_BYTES // 2))})
    await here.update(task_id, {"second": said("two")})
    task = await here.until(task_id, "completed")
    assert task["result"]["content"][0]["text"] == f"{text} and two"


async def test_an_answer_of_another_kind_is_refused_and_the_question_stays(here):
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
