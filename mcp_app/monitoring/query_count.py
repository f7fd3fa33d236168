"""Counts the database queries of this process, while somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from mcp_app.activity import Activity
from mcp_app.coordination.shares import current_share


class QueryCount:
    """An execute wrapper of Django's connections that counts queries for whoever makes them.

    Args:
        activity: Where they are counted.
    """

    def __init__(self, activity: Activity) -> None:
        self._activity = activity

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if self._activity.watched:
            self._activity.query(current_share())
        return execute(sql, params, many, context)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count on all connections that are opened while the context is open.

        Connections are opened for each call and closed after it, except that for tokens, which lasts seconds.
        A connection object keeps the wrapper, and may be opened again.
        """
        connection_created.connect(self._on_created)
        try:
            yield
        finally:
            connection_created.disconnect(self._on_created)

    def _on_created(self, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        if self not in connection.execute_wrappers:
            connection.execute_wrappers.append(self)
