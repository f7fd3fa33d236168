"""Graceful shutdown after SIGTERM: clients notice only a short pause.

`/readyz` returns 503 at once, and everything else is served as before until the load balancer has noticed
(`MCP_LAME_DUCK_SECONDS`). Then GET streams end with `retry:`, listen streams (2026-07-28) with a response,
running calls, tasks and requests for pages get a grace period, and then the calls' streams end as well.
Clients resume at another process, which recovers unfinished calls. Last, background work is cancelled and the
server's lifespan left.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Sequence, Sized
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, Protocol

from mcp_app.conf import conf
from mcp_app.sessions.streams import Streams

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.05
_CLOSE_SECONDS = 2.0
"""How long streams may take to close."""

_HAND_OVER_SECONDS = 10.0
"""How long one part may take to hand over unfinished work."""

_LEAVE_SECONDS = 4.0
"""How long the rest may take: background work that cleans up, the end of the server's lifespan."""


class Drainable(Protocol):
    """Work that may finish before the process ends."""

    def __len__(self) -> int:
        """How much is running in this process."""

    async def drain(self) -> None:
        """Hand over or cancel what has not finished in time."""


class Draining(Protocol):
    """Where the process can see that it is shutting down."""

    is_draining: bool


async def finish_within(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """Await work for a limited time, then cancel it and go on.

    `asyncio.timeout` has no such limit: it waits until work that ignores its cancellation has ended.

    Raises:
        TimeoutError: The work has not finished. It may still be running.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise TimeoutError(f"not finished after {seconds:g} seconds")
    finally:
        task.cancel()
    await task


async def hand_over(work: Drainable) -> None:
    """Drain one part. A failure or time-out is logged, so that the other parts are still drained."""
    try:
        await finish_within(_HAND_OVER_SECONDS, work.drain())
    except Exception:
        logger.exception("handover failed", extra={"part": type(work).__name__})


class InFlight:
    """How many requests of some kind this process is answering: `len`."""

    def __init__(self) -> None:
        self.count = 0

    def __len__(self) -> int:
        return self.count

    async def drain(self) -> None:
        """Nothing: no other process can continue a request for a page, which may still be sent."""


class TaskSet:
    """Tasks that are cancelled at shutdown at the latest."""

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

    async def drain(self) -> None:
        self.cancel()


class Drain:
    """The graceful shutdown of this process.

    Args:
        state: Set while the process is shutting down.
        work: Work that may finish first, in the order in which the rest is handed over.
        streams: The session streams.
        listening: The running `subscriptions/listen` requests (2026-07-28).
        requests: All requests that the process is answering, those for pages included.
        end_listening: Sends the responses of these requests, which ends their streams ("Graceful Closure").
        leave: Called last, when nothing is left to serve.
    """

    def __init__(
        self,
        state: Draining,
        work: Sequence[Drainable],
        streams: Streams,
        listening: TaskSet,
        requests: InFlight,
        end_listening: Callable[[], None],
        leave: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._state = state
        self._work = work
        self._streams = streams
        self._listening = listening
        self._requests = requests
        self._end_listening = end_listening
        self._leave = leave
        self._end_server: Callable[[], object] = lambda: None
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._is_interrupted = False
        self.has_begun = False
        """Whether the process is leaving: SIGTERM has arrived."""

    def watch_for_sigterm(self) -> None:
        """Handle SIGTERM in the server's place, which is ended after draining.

        ASGI has no event for this: `lifespan.shutdown` comes after the connections have been closed, and
        Daphne does not send it at all.

        After SIGTERM, another one or SIGINT shortens what is left: it ends the lame-duck time, and then the
        process.
        """
        if threading.current_thread() is not threading.main_thread():
            return  # under the autoreloader, which just kills the process
        loop = asyncio.get_running_loop()
        of_server: Any = signal.getsignal(signal.SIGTERM)
        is_of_loop = loop.remove_signal_handler(signal.SIGTERM)
        if is_of_loop:
            self._end_server = self._interrupt
        elif callable(of_server):
            self._end_server = partial(of_server, signal.SIGTERM, None)
        else:
            return

        def on_signal(number: int, frame: FrameType | None) -> None:
            if self._state.is_draining:
                self._end_server()
            elif self.has_begun:
                loop.call_soon_threadsafe(self._hurry.set)
            else:
                self.has_begun = True
                if not is_of_loop:
                    signal.signal(signal.SIGINT, on_signal)
                loop.call_soon_threadsafe(self._begin, context=contextvars.Context())

        signal.signal(signal.SIGTERM, on_signal)

    def _interrupt(self) -> None:
        """End granian, whose handlers the event loop calls: SIGINT does it, too, but the second one hangs."""
        if not self._is_interrupted:
            self._is_interrupted = True
            signal.raise_signal(signal.SIGINT)

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._drain_and_end(), name="drain")

    async def _drain_and_end(self) -> None:
        try:
            await self._be_lame_duck()
            await self.drain()
            await finish_within(_LEAVE_SECONDS, self._leave())
        except Exception:
            logger.exception("shutdown failed")
        finally:
            self._end_server()

    async def _be_lame_duck(self) -> None:
        """Serve as before until load balancers have noticed that the process is not ready any more."""
        if conf.lame_duck_seconds:
            logger.info("leaving", extra={"seconds": conf.lame_duck_seconds})
            with suppress(TimeoutError):
                async with asyncio.timeout(conf.lame_duck_seconds):
                    await self._hurry.wait()

    async def drain(self) -> None:
        """End GET streams, wait for running calls, tasks and pages, then end the rest."""
        self._state.is_draining = True
        logger.info("draining", extra={"running": sum(map(len, self._work)), "streams": len(self._streams)})
        self._streams.end_standalone()
        self._end_listening()
        await self._until(lambda: not any(map(len, self._work)), conf.shutdown_grace_seconds)
        for work in self._work:
            await hand_over(work)
        self._end_listening()  # those that have started since
        self._streams.end_all()
        rest: tuple[Sized, ...] = (self._streams, self._listening, self._requests)
        await self._until(lambda: not any(map(len, rest)), _CLOSE_SECONDS)
        self._listening.cancel()  # those whose clients do not read their last message
        logger.info("drained")

    @staticmethod
    async def _until(done: Callable[[], bool], seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        # Polling is fine once in the life of a process, and simpler than events everywhere.
        while not done() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
