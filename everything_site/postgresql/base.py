"""Django's PostgreSQL backend with a limit on the connections of a process.

Every request runs in a thread with a connection of its own. A burst of requests would open as many, and
PostgreSQL refuses those beyond its `max_connections`, other processes' and administrators' among them. Here
a thread waits for a free slot. A pool would bound them too, but while the server is down each request would
wait for the whole time-out, whereas a refused connection fails at once.
"""

from __future__ import annotations

import threading
import weakref
from functools import cache
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.postgresql import base

from mcp_app.readiness import is_probe

WAIT_SECONDS = 10.0
"""How long a thread waits for a slot."""


@cache
def connection_slots(count: int) -> threading.BoundedSemaphore:
    """The connections that this process may open."""
    return threading.BoundedSemaphore(count)


class DatabaseWrapper(base.DatabaseWrapper):
    """Opens at most `DATABASE_CONNECTIONS` connections at the same time.

    Raises:
        OperationalError: No slot became free within `WAIT_SECONDS`.
    """

    _release_slot: Any = None

    def get_new_connection(self, conn_params: Any) -> Any:
        if is_probe.get():  # a process that is busy is ready
            return super().get_new_connection(conn_params)
        count = settings.DATABASE_CONNECTIONS
        slots = connection_slots(count)
        if not slots.acquire(timeout=WAIT_SECONDS):
            raise OperationalError(f"all {count} connections of this process are in use")
        try:
            connection = super().get_new_connection(conn_params)
        except BaseException:
            slots.release()
            raise
        # Also if a thread ends without closing it, and the connection is garbage-collected.
        self._release_slot = weakref.finalize(connection, slots.release)
        return connection

    def close(self) -> None:
        super().close()
        if self._release_slot is not None and (self.connection is None or self.connection.closed):
            self._release_slot()  # a finalizer runs once
