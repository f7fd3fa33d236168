"""A time limit for many short waits."""

from __future__ import annotations

import asyncio

import pytest

from mcp_app.coordination.shared_timeout import SharedTimeout
from tests.support.waiting import eventually


async def test_what_ends_in_time_is_returned() -> None:
    async def work() -> str:
        return "done"

    assert await SharedTimeout(10).wait_for(work()) == "done"


async def test_each_wait_that_takes_too_long_is_cancelled() -> None:
    timeout, ended = SharedTimeout(0.01), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    waits = (timeout.wait_for(work()) for _ in range(3))
    outcomes = await asyncio.gather(*map(asyncio.create_task, waits), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [TimeoutError] * 3
    assert len(ended) == 3


async def test_one_that_begins_later_has_its_whole_time() -> None:
    timeout, may_begin = SharedTimeout(0.2), asyncio.Event()

    async def wait_for_long() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await timeout.wait_for(asyncio.Event().wait())
        return asyncio.get_running_loop().time() - began

    async def begin_later() -> float:
        await may_begin.wait()
        return await wait_for_long()

    first, later = asyncio.create_task(wait_for_long()), asyncio.create_task(begin_later())
    asyncio.get_running_loop().call_later(0.1, may_begin.set)
    assert min(await asyncio.gather(first, later)) >= 0.2


async def test_the_task_is_not_left_cancelled() -> None:
    with pytest.raises(TimeoutError):
        await SharedTimeout(0).wait_for(asyncio.Event().wait())
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()
    await asyncio.sleep(0)


async def test_a_cancellation_from_outside_is_none_by_the_limit() -> None:
    waiting = asyncio.create_task(SharedTimeout(10).wait_for(asyncio.Event().wait()))
    await asyncio.sleep(0)
    waiting.cancel()
    await eventually(waiting.done)
    assert waiting.cancelled()
