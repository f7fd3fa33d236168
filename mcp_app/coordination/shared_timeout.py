"""A time limit for many short waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class SharedTimeout:
    """A time limit, with one timer for all waits: most end at once, and a timer for each would cost more.

    Args:
        seconds: How long each wait may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began: dict[asyncio.Task[Any], float] = {}
        """The tasks that wait, the first to begin first."""
        self._overdue: set[asyncio.Task[Any]] = set()
        """The tasks that were cancelled because of the limit."""
        self._timer: asyncio.TimerHandle | None = None

    async def wait_for(self, awaitable: Awaitable[T]) -> T:
        """Await something; a task can only wait for one thing at a time.

        Raises:
            TimeoutError: It took too long, and was cancelled.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        requested = task.cancelling()
        self._began[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._cancel_overdue, loop)
        try:
            return await awaitable
        except asyncio.CancelledError as error:
            if task in self._overdue and task.cancelling() == requested + 1:
                raise TimeoutError from error
            raise
        finally:
            del self._began[task]
            if task in self._overdue:
                self._overdue.remove(task)
                task.uncancel()

    def _cancel_overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        for task, began in self._began.items():
            if task in self._overdue:
                continue
            if (left := began + self._seconds - loop.time()) > 0:
                self._timer = loop.call_later(left, self._cancel_overdue, loop)
                break
            self._overdue.add(task)
            task.cancel()
