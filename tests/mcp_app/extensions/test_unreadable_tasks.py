"""A task that cannot be read is unknown, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from redis.asyncio import Redis

from mcp_app.coordination.connection import connect
from mcp_app.extensions.tasks import keys
from mcp_app.extensions.tasks.store import TaskStore

Damage = Callable[[Redis, str], Awaitable[Any]]


def holding(field: str, value: str | bytes) -> Damage:
    return lambda redis, key: redis.hset(key, field, value)


def lacking(field: str) -> Damage:
    return lambda redis, key: redis.hdel(key, field)


async def replaced(redis: Redis, key: str) -> None:
    await redis.delete(key)
    await redis.rpush(key, "an item")
    await redis.expire(key, 60)


WAYS: dict[str, Damage] = {
    "parameters that are not UTF-8": holding("params", b"\xff\xfe"),
    "parameters that are not JSON": holding("params", "{"),
    "parameters of another shape": holding("params", "[]"),
    "an owner that is not UTF-8": holding("owner", b"\xff"),
    "an unknown status": holding("status", "paused"),
    "a time that is not a number": holding("created", "yesterday"),
    "a time that is no time": holding("created", "nan"),
    "an infinite time": holding("updated", "inf"),
    "a time beyond the calendar": holding("created", "1e20"),
    "a question of another shape": holding("ask:x", "[]"),
    "an answer that is not JSON": holding("answer:x", "{"),
    "a result of another shape": holding("result", "[]"),
    "asked keys of another shape": holding("asked", "1"),
    "no owner": lacking("owner"),
    "no run": lacking("run"),
    "an unknown version": holding("version", "2"),
    "another type": replaced,
}


@pytest.fixture
async def redis(redis_server):
    client = connect(redis_server)
    yield client
    await client.aclose()


@pytest.mark.parametrize("damage", WAYS.values(), ids=WAYS.keys())
async def test_a_task_that_cannot_be_read_is_unknown_and_others_go_on(here, there, redis, toolbox, damage):
    bad, good = [(await here.call("careful"))["taskId"] for _ in range(2)]
    await toolbox.until_begun(2)
    await damage(redis, keys.record(bad))
    for method in (there.get, there.cancel):
        with pytest.raises(MCPError, match="Unknown task"):
            await method(bad)
    async with there.listening([bad, good]) as stream:
        acknowledged = stream.sent[0][1]
        assert acknowledged["notifications"]["taskIds"] == [good]
    await here.leases.beat()
    toolbox.gate.set()
    assert (await there.until(good, "completed"))["taskId"] == good


@pytest.mark.parametrize("damage", WAYS.values(), ids=WAYS.keys())
async def test_withdrawing_a_consent_cancels_its_other_tasks(here, redis, damage):
    store: TaskStore = here.store
    tasks = [
        await store.create('["client",null,"alice"]', "careful", {"_meta": {}}, grant="a grant")
        for _ in range(3)
    ]
    assert set(await redis.zrange(keys.grant("a grant"), 0, -1)) >= {task.id for task in tasks}
    await damage(redis, keys.record(tasks[1].id))
    await store.cancel_by_grant("a grant")
    for task in (tasks[0], tasks[2]):
        found = await store.get(task.id)
        assert found is not None
        assert found.status == "cancelled"
    await redis.delete(keys.grant("a grant"), "mcp:withdrawn:{a grant}")


async def test_a_task_with_fields_of_a_later_release_is_read(here, there, redis, toolbox):
    task_id = (await here.call("asks_two"))["taskId"]
    await there.until(task_id, "input_required")
    key = keys.record(task_id)
    question = json.loads(await redis.hget(key, "ask:first")) | {"of_a_later_release": 1}
    await redis.hset(key, mapping={"ask:first": json.dumps(question), "of_a_later_release": "1"})
    await redis.hdel(key, "version")
    answer = {"action": "accept", "content": {"text": "x"}}
    await there.update(task_id, {"first": answer, "second": answer})
    assert (await there.until(task_id, "completed"))["status"] == "completed"


async def test_a_task_without_a_version_is_of_the_first_one(here, there, redis, monkeypatch):
    task_id = (await here.call("asks_two"))["taskId"]
    await redis.hdel(keys.record(task_id), "version")
    monkeypatch.setattr("mcp_app.extensions.tasks.task.VERSION", "a later one")
    with pytest.raises(MCPError, match="Unknown task"):
        await there.get(task_id)
