"""Tasks end with the consent under which they run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mcp_app.extensions.tasks import keys
from mcp_app.extensions.tasks.declaration import IDENTIFIER
from mcp_app.extensions.tasks.support import TaskSupport
from mcp_app.extensions.tasks.withdrawal import cancel_tasks
from tests.mcp_app.transports.support import Held, Process, modern, within
from tests.support.waiting import eventually

KNOWS_TASKS: dict[str, Any] = {"extensions": {IDENTIFIER: {}}, "elicitation": {"form": {}}}


async def _create(at: Process, name: str, arguments: Any = None, token: str = "alice") -> str:
    params = {"name": name, "arguments": arguments or {}}
    answer = await modern(at, "tools/call", params, token=token, capabilities=KNOWS_TASKS)
    task_id: str = (await answer.answer())["result"]["taskId"]
    return task_id


async def _until(at: Process, task_id: str, status: str, token: str = "alice@client") -> None:
    """Wait until a task has a status; by default, with another token of the same user."""

    async def is_so() -> bool:
        params = {"taskId": task_id}
        asked = await modern(at, "tasks/get", params, token=token, capabilities=KNOWS_TASKS, mcp_name=task_id)
        answer = await asked.answer()
        return bool(answer["result"]["status"] == status)

    await eventually(is_so)


@pytest.fixture(autouse=True)
async def consent_is_given_again(one: Process) -> AsyncIterator[None]:
    """In production a withdrawn consent never comes back, but the tests share these names and a Redis."""
    yield
    await one.runtime.redis.delete(keys.withdrawn("grant-of-alice"))


@pytest.fixture
def held(one: Process) -> Held:
    made = Held(one)
    one.tasks._tools = {**one.tasks._tools, "held": TaskSupport()}
    return made


async def test_a_running_task_is_cancelled_when_its_consent_is_withdrawn(
    one: Process, other: Process, held: Held
) -> None:
    task_id = await _create(one, "held")
    await within(held.started.wait())
    await asyncio.to_thread(cancel_tasks, ["grant-of-alice"])
    await within(held.ended.wait())
    assert held.was_cancelled
    await _until(other, task_id, "cancelled")


async def test_a_task_that_waits_for_an_answer_is_cancelled_too(one: Process) -> None:
    task_id = await _create(one, "confirm_delete", {"filename": "x"})
    await _until(one, task_id, "input_required")
    await asyncio.to_thread(cancel_tasks, ["grant-of-alice"])
    await _until(one, task_id, "cancelled")


async def test_withdrawing_another_consent_of_the_same_user_ends_no_task(one: Process, held: Held) -> None:
    task_id = await _create(one, "held", token="alice@client")
    await within(held.started.wait())
    await asyncio.to_thread(cancel_tasks, ["grant-of-alice"])
    await _until(one, task_id, "working")
    held.go.set()
    await _until(one, task_id, "completed")
