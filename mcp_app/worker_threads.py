"""The database connections of functions that are not async.

The SDK runs such functions of a server in the worker threads of anyio (`anyio.to_thread.run_sync`), where
Django's connections stay open, as no request ends there. The SDK has no hook that runs in the thread when a
function has returned, and closing a connection from outside would disturb whatever runs there next. So idle
threads are borrowed, shortly afterwards, to close their own.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from anyio import CapacityLimiter, from_thread, to_thread
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from mcp_app.coordination.cancellation import cancel_and_wait
from mcp_app.database import shares_thread

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.5
"""How long connections stay open at least, for the next functions."""

_BORROW_SECONDS = 5.0
"""How long a thread may be borrowed."""

watched_by: ContextVar[WorkerThreads] = ContextVar("watched_by")
"""Closes the connections that this code opens in worker threads; set wherever code of a server runs."""


class WorkerThreads:
    """Closes the connections that the calls of a process opened in worker threads, once these are idle.

    It notices the connections of code for which `watched_by` is set.
    """

    def __init__(self) -> None:
        self._opened: dict[BaseDatabaseWrapper, threading.Thread] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None

    def note(self, connection: BaseDatabaseWrapper) -> None:
        """A connection was opened in the current thread, which is a worker thread."""
        self._opened[connection] = threading.current_thread()
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has been closed: this process ends
                self._loop.call_soon_threadsafe(self._wake.set)

    def start(self) -> None:
        """Close connections from now on, in a task."""
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.create_task(self._close_repeatedly(), name="worker threads")

    async def aclose(self) -> None:
        """Close what can be closed now, and end."""
        if self._closing is not None:
            await cancel_and_wait(self._closing)
            await self._visit_idle_threads()

    async def _close_repeatedly(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_PAUSE_SECONDS)
            self._wake.clear()
            await self._visit_idle_threads()
            if self._opened:  # in threads that are busy
                self._wake.set()

    async def _visit_idle_threads(self) -> None:
        """Run `_visit` in each idle thread, until it has been in those with connections.

        Each visit lasts until the end of the last one, so that no thread is visited twice. One in a new
        thread means that no other is idle.
        """
        before, limiter, may_go = set(threading.enumerate()), CapacityLimiter(math.inf), threading.Event()
        visits: list[asyncio.Future[None]] = []
        try:
            while self._opened:
                arrived: asyncio.Future[threading.Thread] = asyncio.get_running_loop().create_future()
                run = to_thread.run_sync(self._visit, arrived, may_go, limiter=limiter)
                visits.append(asyncio.create_task(run))
                waited: set[asyncio.Future[Any]] = {arrived, visits[-1]}
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if not arrived.done() or arrived.result() not in before:
                    break
        finally:
            may_go.set()
            for outcome in await asyncio.gather(*visits, return_exceptions=True):
                if isinstance(outcome, Exception):
                    logger.warning("could not close database connections", exc_info=outcome)

    def _visit(self, arrived: asyncio.Future[threading.Thread], may_go: threading.Event) -> None:
        here = threading.current_thread()
        try:
            for connection, thread in list(self._opened.items()):
                if thread is here or not thread.is_alive():
                    self._close(connection)
        finally:
            from_thread.run_sync(_arrive, arrived, here)
            may_go.wait(_BORROW_SECONDS)

    def _close(self, connection: BaseDatabaseWrapper) -> None:
        """Close a connection of this thread, or of one that has ended, unless another visit does."""
        if self._opened.pop(connection, None) is not None:
            connection.inc_thread_sharing()
            try:
                connection.close()
            finally:
                connection.dec_thread_sharing()


def _arrive(arrived: asyncio.Future[threading.Thread], thread: threading.Thread) -> None:
    if not arrived.done():  # it may have been cancelled
        arrived.set_result(thread)


@receiver(connection_created)
def _on_connected(connection: BaseDatabaseWrapper, **_: Any) -> None:
    workers = watched_by.get(None)
    if workers is None or not _is_worker_thread():
        return
    if shares_thread.get():
        connection.close()
        raise ImproperlyConfigured(
            "A function that is not async runs in another thread, which does not see the transaction of a "
            "TestCase. Use TransactionTestCase, or transactional_db with pytest."
        )
    workers.note(connection)


def _is_worker_thread() -> bool:
    try:
        from_thread.check_cancelled()
    except RuntimeError:
        return False  # for example one of `sync_to_async`, whose connections are closed with the call
    except asyncio.CancelledError:
        pass
    return True
