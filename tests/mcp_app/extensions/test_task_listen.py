"""Status notifications over `subscriptions/listen`, which the conformance suite does not test yet."""

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, MISSING_REQUIRED_CLIENT_CAPABILITY

SUBSCRIPTION = {"io.modelcontextprotocol/subscriptionId": 7}


def without_meta(message):
    return {key: value for key, value in message.items() if key not in ("_meta", "resultType")}


async def test_a_listener_is_notified_of_a_task_in_another_process(here, there, toolbox):
    task_id = (await here.call("careful"))["taskId"]
    async with there.listening([task_id]) as stream:
        (method, acknowledged), (_, first) = (await stream.until_sent(2))[:2]
        assert method == "notifications/subscriptions/acknowledged"
        assert acknowledged["notifications"] == {"taskIds": [task_id]}
        assert acknowledged["_meta"] == SUBSCRIPTION
        assert first["status"] == "working"
        toolbox.gate.set()
        method, last = (await stream.until_sent(3))[2]
    assert method == "notifications/tasks"
    assert last["_meta"] == SUBSCRIPTION
    assert without_meta(last) == without_meta(await here.get(task_id))
    assert last["status"] == "completed"


async def test_a_listener_is_notified_of_questions(here, there):
    task_id = (await here.call("asks_two"))["taskId"]
    await here.until(task_id, "input_required")
    async with there.listening([task_id]) as stream:
        _, asked = (await stream.until_sent(2))[1]
        assert set(asked["inputRequests"]) == {"first", "second"}
        await here.update(task_id, {"first": {"action": "decline"}})
        _, asked = (await stream.until_sent(3))[2]
        assert set(asked["inputRequests"]) == {"second"}


async def test_losing_a_wake_up_loses_no_message(make_process, toolbox):
    here, there = make_process(), make_process(lease_seconds=0.1)
    task_id = (await here.call("careful"))["taskId"]
    there.bus.is_deaf = True
    async with there.listening([task_id]) as stream:
        await stream.until_sent(2)
        toolbox.gate.set()
        _, last = (await stream.until_sent(3))[2]
    assert last["status"] == "completed"


async def test_a_listener_settles_a_lost_task(here, make_process, toolbox):
    there = make_process(lease_seconds=0.1)
    task_id = (await here.call("once"))["taskId"]
    await toolbox.has_begun.wait()
    await here.crash()
    await here.expire_lease(task_id)
    async with there.listening([task_id]) as stream:
        _, only = (await stream.until_sent(2))[1]
    assert only["status"] == "failed"


async def test_tasks_of_others_and_unknown_ones_are_not_acknowledged(here):
    own = (await here.call("careful"))["taskId"]
    foreign = (await here.call("careful", person="mallory"))["taskId"]
    async with here.listening([foreign, own, "unknown", own]) as stream:
        sent = await stream.until_sent(2)
        assert sent[0][1]["notifications"] == {"taskIds": [own]}
        await here.cancel(foreign, person="mallory")
        await here.cancel(own)
        sent = await stream.until_sent(3)
    assert {params["taskId"] for _, params in sent[1:]} == {own}


async def test_task_notifications_need_the_extension(here):
    with pytest.raises(MCPError) as caught:
        await here.request("subscriptions/listen", {"notifications": {"taskIds": ["any"]}}, capabilities={})
    assert caught.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY


@pytest.mark.parametrize("task_ids", ["abc", {"a": 1}, 1, True, [1], ["a", None], [["a"]]])
async def test_task_ids_that_are_no_array_of_strings_are_refused(here, task_ids):
    with pytest.raises(MCPError, match="taskIds") as caught:
        await here.request("subscriptions/listen", {"notifications": {"taskIds": task_ids}})
    assert caught.value.code == INVALID_PARAMS


@pytest.mark.parametrize("task_ids", [None, [], ["x" * 100_000]])
async def test_missing_or_invalid_task_ids_are_acknowledged_as_none(here, task_ids):
    async with here.listening(task_ids) as stream:
        assert "taskIds" not in stream.sent[0][1]["notifications"]


async def test_other_subscriptions_are_not_affected(here):
    async with here.listening([]) as stream:
        assert "taskIds" not in stream.sent[0][1]["notifications"]


def acknowledged(stream):
    return stream.sent[0][1]["notifications"].get("taskIds", [])


async def test_of_one_person_a_process_follows_so_many_tasks_on_all_streams(here, there, monkeypatch):
    monkeypatch.setattr("mcp_app.extensions.tasks.listen.MAX_PER_PERSON", 3)
    tasks = [(await here.call("careful"))["taskId"] for _ in range(4)]
    other = (await here.call("careful", person="bob"))["taskId"]
    async with here.listening(tasks[:2]) as first, here.listening(tasks[2:]) as second:
        assert acknowledged(first) == tasks[:2]
        assert acknowledged(second) == tasks[2:3]
        async with here.listening([other], person="bob") as third, there.listening(tasks) as fourth:
            assert acknowledged(third) == [other]
            assert acknowledged(fourth) == tasks[:3]
    async with here.listening(tasks[:2]) as again:
        assert acknowledged(again) == tasks[:2]
