"""Counts the database queries of this process, while somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from mcp_app.activity import Activity
from mcp_app.coordination.shares import current_share


@contextmanager
def counting_queries(activity: Activity) -> Iterator[None]:
    """Count the queries of all connections that are opened while the context is open.

    Connections are opened for each call and closed after it, except that for tokens, which lasts seconds.
    """

    def count(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if activity.watched:
            activity.query(current_share())
        return execute(sql, params, many, context)

    def watch(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        if count not in connection.execute_wrappers:  # it may have been opened before
            connection.execute_wrapper(count).__enter__()  # as long as the connection object lives

    connection_created.connect(watch)
    try:
        yield
    finally:
        connection_created.disconnect(watch)
