"""A cancellation that was swallowed is raised later."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from mcp_app.coordination.cancellation import raise_if_cancelled


async def test_a_task_that_nobody_cancelled_continues() -> None:
    raise_if_cancelled()


async def test_a_cancellation_that_was_swallowed_is_raised() -> None:
    reached: list[str] = []

    async def swallows() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        reached.append("swallowed")
        raise_if_cancelled()
        reached.append("ignored")

    task = asyncio.create_task(swallows())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    assert task.cancelled()
    assert reached == ["swallowed"]


async def test_a_time_out_inside_a_task_is_not_a_later_cancellation() -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()
    raise_if_cancelled()
