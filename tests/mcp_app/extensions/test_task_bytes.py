"""What the tasks of one person may hold in Redis."""

import pytest

from mcp_app.coordination import held
from mcp_app.extensions.tasks.held import TASKS, TasksTooLarge
from mcp_app.extensions.tasks.store import MAX_MESSAGE_LENGTH, MAX_RESULT_BYTES
from mcp_app.protocol.personal import Person

from .test_task_input import said

LIMIT = 256 * 1024
DATA = {"limit": "MCP_MAX_TASK_BYTES", "value": LIMIT}


@pytest.fixture
def small_limit(settings, monkeypatch):
    settings.MCP_MAX_TASK_BYTES = LIMIT
    monkeypatch.setattr(held, "LOOK_AGAIN_SECONDS", 0.0)


async def held_by(process, person):
    return await held.HeldBytes(process.redis, TASKS).total(Person("", person).key)


async def fill(process, person, leave=0):
    """Make tasks until there is room for so many bytes more."""
    while (room := LIMIT - leave - await held_by(process, person)) > 2_000:
        await process.call("careful", {"padding": "x" * min(60_000, room - 1_000)}, person=person)


async def test_everything_that_grows_is_counted(here):
    task_id = (await here.call("asks_two", {"padding": "x" * 10_000}, person="ann"))["taskId"]
    await here.until(task_id, "input_required", person="ann")
    await here.update(task_id, {"first": said("x" * 10_000)}, person="ann")
    assert 20_000 < await held_by(here, "ann") < 22_000
    await here.update(task_id, {"second": said("x" * 10_000)}, person="ann")
    await here.until(task_id, "completed", person="ann")
    assert 50_000 < await held_by(here, "ann") < 52_000, "the result repeats both answers"


@pytest.mark.usefixtures("small_limit")
async def test_a_task_for_which_there_is_no_room_is_refused_over_all_clients_and_processes(here, there):
    await fill(here, "bea")
    assert LIMIT - 3_000 < await held_by(here, "bea") <= LIMIT
    for process, client in ((here, "client"), (there, "another")):
        with pytest.raises(TasksTooLarge) as refused:
            await process.call("careful", {"padding": "x" * 30_000}, person="bea", client=client)
        assert refused.value.data == DATA
    assert (await there.call("careful", {"padding": "x" * 30_000}, person="cem"))["resultType"] == "task"


@pytest.mark.usefixtures("small_limit")
async def test_a_result_for_which_there_is_no_room_is_replaced_by_an_error(here):
    await fill(here, "dan", leave=8_000)
    small = (await here.call("says_much", {"size": 100}, person="dan"))["taskId"]
    large = (await here.call("says_much", {"size": 20_000}, person="dan"))["taskId"]
    assert (await here.until(small, "completed", "failed", person="dan"))["status"] == "completed"
    task = await here.until(large, "completed", "failed", person="dan")
    assert task["error"]["data"] == DATA
    assert "MCP_MAX_TASK_BYTES" in task["statusMessage"]


@pytest.mark.usefixtures("small_limit")
async def test_an_answer_for_which_there_is_no_room_is_refused_and_its_question_stays(here):
    task_id = (await here.call("asks_two", person="eva"))["taskId"]
    await here.until(task_id, "input_required", person="eva")
    await fill(here, "eva", leave=8_000)
    with pytest.raises(TasksTooLarge):
        await here.update(task_id, {"first": said("x" * 20_000)}, person="eva")
    assert set((await here.get(task_id, person="eva"))["inputRequests"]) == {"first", "second"}
    await here.update(task_id, {"first": said("one"), "second": said("two")}, person="eva")
    await here.until(task_id, "completed", person="eva")


@pytest.mark.parametrize("tool", ["says_much", "asks_much", "breaks_at_length"])
async def test_whatever_a_run_ends_with_has_a_limit(here, tool):
    task = await here.until(
        (await here.call(tool, {"size": MAX_RESULT_BYTES}))["taskId"], "completed", "input_required", "failed"
    )
    assert task["status"] == "failed"
    assert task["error"]["data"] == {"reason": "result_too_large"}


async def test_a_long_status_message_is_cut(here, toolbox):
    task_id = (await here.call("reports_much"))["taskId"]
    await toolbox.until_begun(1)
    assert (await here.get(task_id))["statusMessage"] == "x" * MAX_MESSAGE_LENGTH
