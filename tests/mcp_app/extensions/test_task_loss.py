"""Tasks whose process died, whose time is up, or whose principal has too many."""

import asyncio
import secrets

import pytest

from mcp_app.extensions.tasks import keys
from mcp_app.extensions.tasks.runs import MAX_LOST
from mcp_app.extensions.tasks.store import GRACE_SECONDS, TooManyTasks
from mcp_app.protocol.personal import person_key

from .support import WAIT


async def test_a_task_of_a_lost_process_is_re_run_if_it_is_safe_to_repeat(here, there, toolbox):
    task_id = (await here.call("careful"))["taskId"]
    await toolbox.has_begun.wait()
    await here.crash()
    assert (await there.get(task_id))["status"] == "working"
    assert toolbox.began == ["careful"]  # its lease has not run out yet
    await there.expire_lease(task_id)
    toolbox.gate.set()
    task = await there.until(task_id, "completed")
    assert task["result"]["content"][0]["text"] == "careful is done"
    assert toolbox.began == ["careful", "careful"]
    assert toolbox.ended == ["careful"]


async def test_a_lost_task_that_must_not_be_repeated_fails_with_the_reason(here, there, toolbox):
    task_id = (await here.call("once"))["taskId"]
    await toolbox.has_begun.wait()
    await here.crash()
    await there.expire_lease(task_id)
    task = await there.get(task_id)
    assert task["status"] == "failed"
    assert task["error"]["data"] == {"reason": "worker_lost"}
    assert task["statusMessage"] == task["error"]["message"]
    assert toolbox.began == ["once"]


async def test_a_task_that_crashes_its_processes_is_given_up(make_process, toolbox):
    process = make_process()
    task_id = (await process.call("careful"))["taskId"]
    for lost in range(1, MAX_LOST + 1):
        await toolbox.until_begun(lost)
        await process.crash()
        process = make_process()
        await process.expire_lease(task_id)
        task = await process.get(task_id)
    assert task["status"] == "failed"
    assert task["error"]["data"] == {"reason": "worker_lost"}
    assert toolbox.began == ["careful"] * MAX_LOST


async def test_a_task_survives_any_number_of_processes_that_stop(make_process, toolbox):
    process = make_process()
    task_id = (await process.call("careful"))["taskId"]
    for begun in range(1, MAX_LOST + 3):
        await toolbox.until_begun(begun)
        await process.tasks.runs.aclose()
        process = make_process()
        assert (await process.get(task_id))["status"] == "working"


@pytest.mark.parametrize("tool", ["once", "careful"])
async def test_a_lost_task_can_be_cancelled_without_a_re_run(here, there, toolbox, tool):
    task_id = (await here.call(tool))["taskId"]
    await toolbox.until_begun(1)
    await here.crash()
    await there.expire_lease(task_id)
    await there.cancel(task_id)
    assert (await there.get(task_id))["status"] == "cancelled"
    assert len(there.tasks.runs) == 0
    assert toolbox.began == [tool]


async def test_if_two_find_a_lost_task_one_runs_it(here, there, make_process, toolbox):
    third = make_process()
    task_id = (await here.call("careful"))["taskId"]
    await toolbox.has_begun.wait()
    await here.crash()
    await there.expire_lease(task_id)
    await there.get(task_id)
    await third.get(task_id)
    toolbox.gate.set()
    await there.until(task_id, "completed")
    assert toolbox.began == ["careful", "careful"]


async def test_a_process_that_was_only_slow_cannot_change_the_outcome(here, there, toolbox):
    task_id = (await here.call("once"))["taskId"]
    await toolbox.has_begun.wait()
    here.bus.is_deaf = True  # it does not hear that it was given up
    task = await here.store.get(task_id)
    await there.expire_lease(task_id)
    failed = await there.get(task_id)
    assert failed["status"] == "failed"
    assert not await here.store.complete(task, {"content": []})
    lease = here.store.lease_of(task, lambda: None)
    here.leases.start_renewing(lease)
    await here.leases.beat()
    assert lease.is_lost
    toolbox.gate.set()
    await here.tasks.runs.aclose()
    assert await there.get(task_id) == failed


async def test_a_run_that_lost_its_lease_stops_by_itself(make_process, toolbox):
    here, there = make_process(lease_seconds=0.1), make_process()
    task_id = (await here.call("once"))["taskId"]
    await toolbox.has_begun.wait()
    here.bus.is_deaf = True
    await there.cancel(task_id)
    await toolbox.cancelled.wait()
    assert toolbox.ended == []


async def test_a_run_renews_its_lease(make_process, toolbox):
    here, there = make_process(lease_seconds=0.2), make_process()
    task_id = (await here.call("once"))["taskId"]
    await toolbox.has_begun.wait()
    await here.expire_lease(task_id)
    for _ in range(WAIT * 50):
        if (await here.store.get(task_id)).is_leased:
            break
        await asyncio.sleep(0.02)
    toolbox.gate.set()
    assert (await there.until(task_id, "completed", "failed"))["status"] == "completed"


async def test_a_process_that_stops_hands_its_tasks_over_immediately(here, there, toolbox):
    task_id = (await here.call("careful"))["taskId"]
    await toolbox.has_begun.wait()
    await here.tasks.runs.aclose()
    assert len(here.tasks.runs) == 0
    toolbox.gate.set()
    assert (await there.until(task_id, "completed"))["status"] == "completed"


async def test_a_task_fails_when_its_time_is_up(here, there, toolbox, settings):
    settings.MCP_TASK_SECONDS = 1
    task_id = (await here.call("once"))["taskId"]
    task = await there.until(task_id, "failed")
    assert task["error"]["data"] == {"reason": "expired"}
    await toolbox.cancelled.wait()


async def test_a_task_that_waits_for_answers_fails_when_its_time_is_up(here, settings):
    settings.MCP_TASK_SECONDS = 1
    task_id = (await here.call("asks_two"))["taskId"]
    await here.until(task_id, "input_required")
    assert (await here.until(task_id, "failed"))["error"]["data"] == {"reason": "expired"}


async def test_every_key_expires_and_those_of_a_task_share_a_slot(here, redis, settings):
    settings.MCP_TASK_SECONDS = 100
    task_id = (await here.call("careful"))["taskId"]
    assert f"{{{task_id}}}" in keys.record(task_id)
    assert f"{{{task_id}}}" in keys.lease(task_id)
    owner = (await here.store.get(task_id)).owner
    assert 100 < await redis.ttl(keys.record(task_id)) <= 100 + GRACE_SECONDS
    assert 0 < await redis.ttl(keys.index(person_key(owner))) <= 15 * 60 + GRACE_SECONDS
    assert 0 < await redis.pttl(keys.lease(task_id)) <= 10_000


async def test_a_task_lives_as_long_as_its_tool_says(here, redis, settings):
    settings.MCP_TASK_SECONDS = 600
    created = await here.call("short_lived")
    assert created["ttlMs"] == 120_000
    assert 120 < await redis.ttl(keys.record(created["taskId"])) <= 120 + GRACE_SECONDS


async def test_tasks_created_concurrently_do_not_exceed_the_limit_of_a_person(make_process, settings):
    settings.MCP_MAX_TASKS = 2
    processes = [make_process(), make_process()]
    person = secrets.token_hex(8)  # whose tasks of an earlier run a lasting Redis does not know
    creating = [process.call("careful", person=person) for process in processes * 5]
    created = await asyncio.gather(*creating, return_exceptions=True)
    assert sum(isinstance(one, TooManyTasks) for one in created) == len(created) - 2


async def test_the_tasks_of_a_person_are_limited_over_all_clients(here, settings):
    settings.MCP_MAX_TASKS = 2
    for client in ("one", "other"):
        await here.call("careful", person="carol", client=client)
    with pytest.raises(TooManyTasks) as refused:
        await here.call("careful", person="carol", client="a third")
    assert refused.value.data == {"limit": "MCP_MAX_TASKS", "value": 2}
    assert (await here.call("careful", person="dave"))["resultType"] == "task"
