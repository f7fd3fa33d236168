"""The database as calls use it: each in a thread of its own, and which errors mean that it is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from mcp.server import ServerRequestContext

from mcp_app.exceptions import Store, Unavailable
from mcp_app.sdk import CallNext, HandlerResult

_REFUSALS = frozenset({"25006", "42501"})
"""SQLSTATE of PostgreSQL: read_only_sql_transaction, as of a standby after a failover, and
insufficient_privilege, of a role that lacks a right. An operator mends both while the server runs."""


def is_database_outage(error: BaseException) -> bool:
    """Whether the database cannot be used for now.

    It cannot be reached, refuses the connection or the password, has too many clients, took too long, is
    locked (SQLite), shuts down, takes no writes, or forbids what is asked.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error, DatabaseError) and getattr(error.__cause__, "sqlstate", None) in _REFUSALS


@contextmanager
def reaching_database() -> Iterator[None]:
    """Around what uses the database: an outage of it is raised as `Unavailable`, other errors as they are."""
    try:
        yield
    except Exception as error:
        if is_database_outage(error):
            raise Unavailable(Store.DATABASE, error) from error
        raise


async def use_database(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """A middleware of the server: calls do not wait for each other's queries, and leave no connection open.

    Django runs asynchronous queries in one thread for the whole process, unless there is a
    `ThreadSensitiveContext`, whose thread begins with the first query. A call always has one of its own: that
    of a task has inherited the context of the call that made the task.

    Raises:
        Unavailable: The handler could not use the database.
    """
    own, threads = ThreadSensitiveContext(), SyncToAsync.context_to_thread_executor
    inherited = SyncToAsync.thread_sensitive_context.set(own)
    try:
        with reaching_database():
            return await call_next(ctx)
    finally:
        try:
            if own in threads:
                await sync_to_async(_close_connections)()
        finally:
            SyncToAsync.thread_sensitive_context.reset(inherited)
            if (thread := threads.pop(own, None)) is not None:
                thread.shutdown(wait=False)


def _close_connections() -> None:
    for connection in connections.all(initialized_only=True):
        connection.close()
