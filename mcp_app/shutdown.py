"""Shutdown: what a process does between SIGTERM and its end, so that clients notice only a short pause.

`/readyz` turns 503, GET streams end at once with `retry:`, listen streams (2026-07-28) with an answer,
running calls and tasks get a grace period, and then the calls' streams end as well. Clients resume at another
process; what did not finish is settled there.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Sized
from types import FrameType
from typing import Any

from mcp.server.subscriptions import ListenHandler

from mcp_app.calls.registry import Calls
from mcp_app.conf import conf
from mcp_app.extensions.tasks.runs import TaskRuns
from mcp_app.sessions.streams import Streams

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.05
_LEAVE_SECONDS = 2.0
"""How long streams may take to say goodbye after they were told to."""


class TaskSet:
    """Tasks that belong to the process, and end with it at the latest."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        for task in list(self._tasks):
            task.cancel()


class Drain:
    """The orderly end of this process's part in the service."""

    def __init__(
        self,
        calls: Calls,
        streams: Streams,
        stateless_calls: TaskSet,
        listening: TaskSet,
        task_runs: TaskRuns,
    ) -> None:
        self.is_draining = False
        self._calls = calls
        self._streams = streams
        self._stateless_calls = stateless_calls
        self._listening = listening
        self._task_runs = task_runs
        self._server_handler: Any = None
        self._task: asyncio.Task[None] | None = None

    def watch_for_sigterm(self) -> None:
        """Go before the server's own SIGTERM handler, which is called when the process is drained.

        ASGI has no event for this: `lifespan.shutdown` comes after the connections have ended, and
        Daphne sends none at all.
        """
        if threading.current_thread() is not threading.main_thread():
            return  # under the autoreloader; its process is simply ended
        self._server_handler = signal.getsignal(signal.SIGTERM)
        if not callable(self._server_handler):
            return
        loop = asyncio.get_running_loop()

        def on_sigterm(number: int, frame: FrameType | None) -> None:
            if self.is_draining:  # a second one: somebody is in a hurry
                self._server_handler(number, frame)
                return
            self.is_draining = True
            loop.call_soon_threadsafe(self._begin, context=contextvars.Context())

        signal.signal(signal.SIGTERM, on_sigterm)

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._drain_and_end(), name="drain")

    async def _drain_and_end(self) -> None:
        try:
            await self.drain()
        finally:
            self._server_handler(signal.SIGTERM, None)

    async def drain(self) -> None:
        """End GET streams, wait for running calls and tasks, then end what is left."""
        self.is_draining = True
        logger.info("draining", extra={"calls": len(self._calls), "streams": len(self._streams)})
        self._streams.end_listeners()
        self._end_listen_streams()
        work: tuple[Sized, ...] = (self._calls, self._stateless_calls, self._task_runs)
        await self._until(lambda: not any(len(part) for part in work), conf.shutdown_grace_seconds)
        await self._calls.hand_over()
        await self._task_runs.aclose()
        self._stateless_calls.cancel()
        self._end_listen_streams()  # those that were about to begin
        self._streams.end_all()
        await self._until(lambda: not len(self._streams) and not len(self._listening), _LEAVE_SECONDS)
        self._listening.cancel()  # those whose readers do not take their last message
        logger.info("drained")

    def _end_listen_streams(self) -> None:
        """Answer each `subscriptions/listen`, which ends its stream (2026-07-28, "Graceful Closure")."""
        entry = self._calls.server.get_request_handler("subscriptions/listen")
        assert entry is not None
        assert isinstance(entry.handler, ListenHandler)
        entry.handler.close()

    @staticmethod
    async def _until(done: Callable[[], bool], seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        # Once in the life of a process: an event in every place that ends something would cost more.
        while not done() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
