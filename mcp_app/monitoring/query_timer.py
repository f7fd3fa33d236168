"""Measures the database queries of this process, for its metrics and for the machine room."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


class QueryTimer:
    """An execute wrapper of Django's connections that measures each query. It may be called in any thread.

    Args:
        on_query: Called with the vendor of the database, how many seconds a query took, and whether it
            failed.
    """

    def __init__(self, on_query: Callable[[str, float, bool], None]) -> None:
        self._on_query = on_query

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        has_failed = True
        try:
            result = execute(sql, params, many, context)
            has_failed = False
            return result
        finally:
            self._on_query(context["connection"].vendor, time.perf_counter() - began, has_failed)

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Measure on all connections that are opened while the context is open.

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
