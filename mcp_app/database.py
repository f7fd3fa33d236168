"""Database access of calls: one thread for each call, and detection of outages."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from contextvars import ContextVar
from typing import Any
from weakref import getweakrefcount

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError

from mcp_app.exceptions import Reaching, Store, Unavailable
from mcp_app.sdk import CallNext, HandlerResult

_REFUSALS = frozenset({"25006", "42501"})
"""SQLSTATEs of PostgreSQL: read_only_sql_transaction, as on a standby after a failover, and
insufficient_privilege. An operator can fix both while the server is running."""


def is_database_outage(error: BaseException) -> bool:
    """Whether an error means that the database is unavailable.

    It cannot be reached, rejects the connection or the password, has too many clients, is too slow, locked
    (SQLite), shutting down or read-only, or denies permission.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error, DatabaseError) and getattr(error.__cause__, "sqlstate", None) in _REFUSALS


def outage_in(error: BaseException) -> Unavailable | None:
    """The outage of a store that an error, or a cause of it, means; None if it means none."""
    cause: BaseException | None = error
    seen: list[BaseException] = []
    while cause is not None and cause not in seen:
        if isinstance(cause, Unavailable):  # a new one: raised from `error`, this one would be its own cause
            return cause if cause is error else cause.copy()
        if is_database_outage(cause):
            return Unavailable(Store.DATABASE, cause)
        seen.append(cause)
        cause = cause.__cause__
    return None


reaching_database = Reaching(Store.DATABASE, is_database_outage)
"""A context for code that uses the database; other errors are raised unchanged."""


shares_thread: ContextVar[bool] = ContextVar("shares_thread", default=False)
"""Whether queries run where those of the surrounding code do: in a test whose transaction they should see."""


class OwnThread:
    """A context, for `async with`, whose asynchronous queries have a thread of their own.

    Django runs all asynchronous queries of a process in one thread, unless there is a
    `ThreadSensitiveContext`, which starts its thread with the first query. Each of these has its own, even if
    it inherited one. At its end the connections of the thread are closed.
    """

    __slots__ = ("_inherited", "_own")

    _own: ThreadSensitiveContext | None

    def enter(self) -> None:
        """Begin, without `async with`, which costs most calls more than all of this."""
        self._own = None
        if not shares_thread.get():
            self._own = ThreadSensitiveContext()
            self._inherited = SyncToAsync.thread_sensitive_context.set(self._own)

    def leave(self) -> Executor | None:
        """End. Returns the thread, for `end_thread`, if there were queries."""
        if self._own is None:
            return None
        SyncToAsync.thread_sensitive_context.reset(self._inherited)
        if not getweakrefcount(self._own):  # it is no key there
            return None
        return SyncToAsync.context_to_thread_executor.pop(self._own, None)

    async def __aenter__(self) -> None:
        self.enter()

    async def __aexit__(self, *raised: object) -> None:
        if (thread := self.leave()) is not None:
            await end_thread(thread)


async def end_thread(thread: Executor) -> None:
    """End a thread after closing its connections, which happens even if this is cancelled."""
    try:
        await asyncio.shield(asyncio.wrap_future(thread.submit(close_connections)))
    finally:
        thread.shutdown(wait=False)


async def use_database(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """A middleware: queries of different calls run concurrently, and connections are closed after each call.

    The call of a task inherits the thread of the call that started it, and gets its own, too.

    Raises:
        Unavailable: The handler could not use a store, also if the SDK has wrapped its exception.
    """
    own = OwnThread()
    own.enter()
    try:
        return await call_next(ctx)
    except MCPError:
        raise  # the handler has decided to report this
    except Exception as error:
        if (outage := outage_in(error)) is None or outage is error:
            raise
        raise outage from error
    finally:
        if (thread := own.leave()) is not None:
            await end_thread(thread)


def close_connections() -> None:
    """Close the connections of this thread."""
    for connection in connections.all(initialized_only=True):
        connection.close()
