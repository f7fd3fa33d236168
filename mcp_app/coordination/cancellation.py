"""Workarounds for lost cancellations.

Before Python 3.12 `asyncio.wait_for` swallows a cancellation that arrives just as its awaitable completes,
and redis-py uses it for every command; `flush` of the channel layer swallows any. So a task that has written
to Redis checks afterwards, and one that may wait inside the channel layer is cancelled until it has ended.
"""

from __future__ import annotations

import asyncio
from typing import Any

_RECANCEL_SECONDS = 0.2
"""How long a cancelled task may take to end before it is cancelled again."""


def raise_if_cancelled() -> None:
    """Raise a cancellation that was requested for the current task but swallowed.

    Raises:
        asyncio.CancelledError: The task was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """Cancel a task, again if the cancellation is swallowed, and wait until it has ended."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_RECANCEL_SECONDS)
