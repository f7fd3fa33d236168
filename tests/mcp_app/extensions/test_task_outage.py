"""Tasks while Redis is unavailable for longer than a lease: every lease expires, but nobody has died."""

import time

import pytest

from mcp_app.coordination.connection import connect
from tests.support.own_redis import own_redis as own_redis_server
from tests.support.waiting import eventually

from .conftest import SUPPORT
from .support import Hub, Process

pytestmark = pytest.mark.slow

LEASE = 1.0


@pytest.fixture
async def cut_off(settings, toolbox):
    """Two processes, and a way to cut both off from Redis."""
    settings.MCP_LEASE_SECONDS = LEASE
    settings.MCP_REDIS_TIMEOUT_SECONDS = 0.2
    with own_redis_server() as own_redis:
        hub, clients = Hub(), [connect(own_redis.url) for _ in range(2)]
        processes = [Process(client, hub, toolbox.register, SUPPORT) for client in clients]
        yield own_redis, *processes
        for process, client in zip(processes, clients, strict=True):
            await process.stop()
            await client.aclose()


async def _outage(own_redis, leases):
    with own_redis.frozen():
        over = time.monotonic() + leases * LEASE
        await eventually(lambda: time.monotonic() > over)


async def test_a_running_task_survives_an_outage_longer_than_a_lease(cut_off, toolbox):
    own_redis, here, there = cut_off
    task_id = (await here.call("once"))["taskId"]
    await toolbox.until_begun(1)
    await _outage(own_redis, 1.5)
    assert (await there.get(task_id))["status"] == "working"
    toolbox.gate.set()
    assert (await there.until(task_id, "completed", "failed"))["status"] == "completed"
    assert toolbox.ended == ["once"]


async def test_a_task_whose_process_died_in_an_outage_is_recovered_afterwards(cut_off, toolbox):
    own_redis, here, there = cut_off
    task_id = (await here.call("once"))["taskId"]
    await toolbox.until_begun(1)
    await here.crash()
    await _outage(own_redis, 1.5)
    task = await there.until(task_id, "completed", "failed")
    assert task["error"]["data"] == {"reason": "worker_lost"}


async def test_a_task_that_was_handed_over_continues_immediately_after_an_outage(cut_off, toolbox):
    own_redis, here, there = cut_off
    task_id = (await here.call("careful"))["taskId"]
    await toolbox.until_begun(1)
    await here.stop()
    await _outage(own_redis, 1.5)
    assert (await there.get(task_id))["status"] == "working"
    await toolbox.until_begun(2)
