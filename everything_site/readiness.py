"""Whether the database works, tried for `mcp_app.transports.health.Readyz`."""

from __future__ import annotations

from typing import Any

from channels.db import database_sync_to_async
from django.db import OperationalError, connections


async def try_database() -> None:
    """Connect as a request does, and read.

    Raises:
        django.db.Error: It cannot be reached, takes no writes, or has not been migrated.
    """
    # In any thread of the pool: one probe must not wait for another request's queries.
    await database_sync_to_async(_read, thread_sensitive=False)()


def _read() -> None:
    connection: Any = connections.create_connection("default")
    connection.is_bounded = False  # see everything_site/postgresql: a process that is busy is ready
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
            if connection.vendor == "postgresql":
                cursor.execute("SHOW transaction_read_only")
                if cursor.fetchone() == ("on",):
                    raise OperationalError("the server is a standby: it takes no writes")
    finally:
        connection.close()
