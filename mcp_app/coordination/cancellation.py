"""Cancellation that is not lost on the way.

Before Python 3.12 `asyncio.wait_for` swallows a cancellation that arrives as what it waits for is done,
and redis-py waits with it for every command. A task that has written to Redis therefore asks afterwards.
"""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """Raise the cancellation that the current task was sent and has not seen.

    Raises:
        asyncio.CancelledError: There is one.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
