"""A workaround for lost cancellations.

Before Python 3.12 `asyncio.wait_for` swallows a cancellation that arrives just as its awaitable completes,
and redis-py uses it for every command. So a task that has written to Redis checks afterwards.
"""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """Raise a cancellation that was requested for the current task but swallowed.

    Raises:
        asyncio.CancelledError: The task was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
