"""Django's PostgreSQL backend with a bound on the connections of a process.

Every request runs in a thread with a connection of its own. A burst of requests would open as many, and
PostgreSQL refuses those beyond its `max_connections`, other processes' and administrators' among them. Here
a thread waits for its turn. A pool would bound them too, but lets each request wait for its whole time-out
while the server is away, where a connection that is refused says so at once.
"""

from __future__ import annotations

import threading
import weakref
from functools import cache
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.postgresql import base

WAIT_SECONDS = 10.0
"""How long a thread waits for its turn."""


@cache
def places(count: int) -> threading.BoundedSemaphore:
    """The connections that this process may have."""
    return threading.BoundedSemaphore(count)


class DatabaseWrapper(base.DatabaseWrapper):
    """Opens a connection when there is a place for it among `DATABASE_CONNECTIONS`.

    Raises:
        OperationalError: There was none within `WAIT_SECONDS`.
    """

    _leave: Any = None
    is_bounded = True
    """Whether this connection needs a place. The readiness probe's does not: a busy process is ready."""

    def get_new_connection(self, conn_params: Any) -> Any:
        if not self.is_bounded:
            return super().get_new_connection(conn_params)
        count = settings.DATABASE_CONNECTIONS
        free = places(count)
        if not free.acquire(timeout=WAIT_SECONDS):
            raise OperationalError(f"all {count} connections of this process are in use")
        try:
            connection = super().get_new_connection(conn_params)
        except BaseException:
            free.release()
            raise
        # Also when a thread ends and its connection is collected, unclosed.
        self._leave = weakref.finalize(connection, free.release)
        return connection

    def close(self) -> None:
        super().close()
        if self._leave is not None and (self.connection is None or self.connection.closed):
            self._leave()  # once, however often it is called
