"""The publications of one process: few at a time, in turn for each publisher.

They outlive the calls that publish, which may be cancelled, so no limit of calls bounds their number.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from mcp_app.coordination.cancellation import cancel_and_wait
from mcp_app.coordination.shares import share_of

_RUNNING = 4
"""How many publications run at once in a process."""

MAX_WAITING = 64
"""How many different changes of one publisher may be in progress or waiting."""

MAX_REST_SECONDS = 1.0
"""How long a publisher waits after a publication, at most; otherwise for as long as it took."""

CANCELLED_SECONDS = 1.0
"""How long a publisher that was cancelled waits for what it publishes: it may be about to disconnect."""


@dataclass(slots=True, weakref_slot=True)
class _Publisher:
    """What one publisher has in progress."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_WAITING))

    def rest(self, seconds: float) -> None:
        """End a turn, after a pause in which others have theirs."""
        asyncio.get_running_loop().call_later(seconds, self._end_turn)

    def _end_turn(self) -> None:
        self.turn.release()


class Publications:
    """Runs publications: of one publisher one at a time, and not within their share of Redis."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_RUNNING)
        self._publishers: WeakValueDictionary[str | None, _Publisher] = WeakValueDictionary()
        self._waiting: dict[Hashable, asyncio.Task[None]] = {}
        """Those that have not begun, by publisher and change."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(
        self, publisher: str | None, change: Hashable, publish: Callable[[], Awaitable[None]]
    ) -> None:
        """Publish a change, and wait until that is done.

        If the same change is waiting already, this waits for that. It is published even if the caller is
        cancelled meanwhile, unless the publisher has `MAX_WAITING` others in progress.

        Args:
            publisher: Who publishes, such as the key of a person; None for the server itself.
            change: What has changed; what is equal is the same change.
            publish: Publishes it.
        """
        task = self._waiting.get((publisher, change)) or await self._add(publisher, change, publish)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task}, timeout=CANCELLED_SECONDS)
            raise

    async def aclose(self) -> None:
        """Let publications in progress finish soon, and cancel the rest: connections are about to close."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CANCELLED_SECONDS)
            for task in late:
                await cancel_and_wait(task)

    async def _add(
        self, publisher: str | None, change: Hashable, publish: Callable[[], Awaitable[None]]
    ) -> asyncio.Task[None]:
        its = self._publishers.get(publisher)
        if its is None:
            its = self._publishers[publisher] = _Publisher()
        await its.slots.acquire()
        key = publisher, change
        task = self._waiting.get(key)
        if task is not None:
            its.slots.release()
            return task
        with share_of(None):
            task = self._waiting[key] = asyncio.create_task(self._in_turn(its, key, publish))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _in_turn(
        self, publisher: _Publisher, key: Hashable, publish: Callable[[], Awaitable[None]]
    ) -> None:
        try:
            await publisher.turn.acquire()
            began = time.monotonic()
            try:
                async with self._slots:
                    del self._waiting[key]  # those it has notified may have read before a later change
                    began = time.monotonic()
                    await publish()
            finally:
                publisher.rest(min(time.monotonic() - began, MAX_REST_SECONDS))
        finally:
            if self._waiting.get(key) is asyncio.current_task():  # it was cancelled
                del self._waiting[key]
            publisher.slots.release()
