"""Redis changes a task, and the connection breaks before the reply: the change is known nevertheless."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from mcp_app.coordination.connection import connect
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.leases import Leases
from mcp_app.extensions.tasks import keys, scripts
from mcp_app.extensions.tasks.store import TaskStore
from mcp_app.extensions.tasks.task import Task
from tests.support.redis_relay import RedisRelay, relaying

from .support import Hub


@pytest.fixture
async def relay(redis_server: str) -> AsyncIterator[RedisRelay]:
    async with relaying(redis_server) as relay:
        yield relay


class Told:
    """The changes of tasks that processes were told of, by status."""

    def __init__(self, store: TaskStore) -> None:
        self.statuses: list[str] = []
        store.on_change(lambda task_id, status: self.statuses.append(status))


@pytest.fixture
async def store(relay: RedisRelay) -> AsyncIterator[TaskStore]:
    redis = connect(relay.url)
    for script in (scripts.TAKE_OVER, scripts.FINISH_RUN, scripts.END, scripts.ANSWER):
        await redis.script_load(script)  # otherwise the reply that is lost would be that it is unknown
    yield TaskStore(redis, Directory(redis, Hub().bus()), Leases(redis))
    await redis.aclose()


@pytest.fixture
def told(store: TaskStore) -> Told:
    return Told(store)


@pytest.fixture
async def task(store: TaskStore) -> Task:
    return await store.create(f'["client",null,"{secrets.token_hex(8)}"]', "tool", {})


async def lose_a_reply(relay: RedisRelay, task: Task, change: Callable[[], Awaitable[Any]]) -> Any:
    relay.lose_reply_to(task.id.encode())
    done = await change()
    assert relay.lost == 1
    return done


async def test_a_result_is_announced(relay: RedisRelay, store: TaskStore, told: Told, task: Task) -> None:
    assert await lose_a_reply(relay, task, lambda: store.complete(task, {"content": []}))
    assert told.statuses == ["completed"]


async def test_a_result_that_is_stored_again_later_as_no_reply_came_is_announced_as_well(
    store: TaskStore, told: Told, task: Task
) -> None:
    for _ in range(2):
        assert await store.complete(task, {"content": []})
    assert told.statuses == ["completed", "completed"]


async def test_a_cancellation_is_announced(
    relay: RedisRelay, store: TaskStore, told: Told, task: Task
) -> None:
    await lose_a_reply(relay, task, lambda: store.cancel(task.id))
    assert told.statuses == ["cancelled"]


async def test_the_next_run_starts_after_the_last_answer(
    relay: RedisRelay, store: TaskStore, told: Told, task: Task
) -> None:
    await store.ask(task, {"one": {}, "two": {}}, None)
    asking = await store.get(task.id)
    assert asking is not None
    assert await lose_a_reply(relay, task, lambda: store.answer(asking, {"one": {}})) is None
    asking = await store.get(task.id)
    assert asking is not None
    relay.lost = 0
    run = await lose_a_reply(relay, task, lambda: store.answer(asking, {"two": {}}))
    assert run is not None
    assert await store.get_if_running(task.id, run) is not None
    assert told.statuses == ["input_required", "input_required", "working"]


async def test_a_lost_task_is_taken_over_and_counts_as_lost_once(
    relay: RedisRelay, store: TaskStore, redis: Redis, task: Task
) -> None:
    await redis.delete(keys.lease(task.id))
    taken = await lose_a_reply(relay, task, lambda: store.take_over(task.id))
    assert taken is not None
    assert taken.lost == 1


async def test_a_change_that_was_rejected_is_rejected_again(
    relay: RedisRelay, store: TaskStore, told: Told, task: Task
) -> None:
    await store.cancel(task.id)
    assert not await lose_a_reply(relay, task, lambda: store.complete(task, {"content": []}))
    assert told.statuses == ["cancelled"]


async def test_the_tasks_of_a_withdrawn_consent_end_and_are_announced_although_one_is_damaged(
    relay: RedisRelay, redis: Redis, store: TaskStore, told: Told
) -> None:
    owner, grant = f'["client",null,"{secrets.token_hex(8)}"]', secrets.token_hex(8)
    tasks = [await store.create(owner, "tool", {}, grant=grant) for _ in range(3)]
    await redis.delete(keys.record(tasks[0].id))
    await redis.set(keys.record(tasks[0].id), "no hash", ex=60)
    relay.lose_reply_to(tasks[1].id.encode())
    await store.cancel_by_grant(grant)
    assert relay.lost == 1
    found = [await store.get(task.id) for task in tasks[1:]]
    assert [task and task.status for task in found] == ["cancelled", "cancelled"]
    assert told.statuses == ["cancelled", "cancelled"]
