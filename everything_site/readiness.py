"""Readiness of the database, and the probes of the authorization server of separate mode.

The probes of the MCP server are in `mcp_app.transports.health`. Probes do not check the Host header, since
load balancers call them by address.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection
from typing import Any

from channels.db import database_sync_to_async
from django.apps import apps
from django.db import OperationalError, connections

logger = logging.getLogger(__name__)

_PROBE_SECONDS = 2.0
_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


async def try_database(labels: Collection[str] | None = None) -> None:
    """Connect like a request, read, and check that the role may write.

    Args:
        labels: The apps whose tables this process writes; None for all.

    Raises:
        django.db.Error: The database is unreachable, read-only or not migrated, or the role may not write.
    """
    # In any thread of the pool, so that a probe does not wait for the queries of requests.
    await database_sync_to_async(_try, thread_sensitive=False)(labels)


def _try(labels: Collection[str] | None) -> None:
    connection: Any = connections.create_connection("default")
    connection.is_bounded = False  # see everything_site/postgresql: a process that is busy is ready
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
            if connection.vendor == "postgresql":
                cursor.execute("SHOW transaction_read_only")
                if cursor.fetchone() == ("on",):
                    raise OperationalError("the server is a read-only standby")
                cursor.execute(
                    "SELECT name, lacking FROM unnest(%s::text[]) name, unnest(%s::text[]) lacking "
                    "WHERE NOT has_table_privilege(name, lacking) LIMIT 1",
                    [[connection.ops.quote_name(table) for table in _tables(labels)], list(_RIGHTS)],
                )
                if missing := cursor.fetchone():
                    raise OperationalError("the role lacks the right to {1} in table {0}".format(*missing))
    finally:
        connection.close()


def _tables(labels: Collection[str] | None) -> list[str]:
    return [
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and (labels is None or model._meta.app_label in labels)
    ]


async def healthz(scope: Any, receive: Any, send: Any) -> None:
    """ASGI application: answers 200 as long as the event loop turns."""
    await _respond(send, 200, {"status": "alive"})


class Readyz:
    """ASGI application: answers 200 while the database works, else 503.

    Concurrent probes share one attempt, since anybody may send them.
    """

    def __init__(self) -> None:
        self._attempt: asyncio.Task[bool] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._attempt is None or self._attempt.done():
            self._attempt = asyncio.create_task(_database_works(), name="readiness")
        if await asyncio.shield(self._attempt):
            await _respond(send, 200, {"status": "ready"})
        else:
            await _respond(send, 503, {"status": "not ready", "reason": "database"})


async def _database_works() -> bool:
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            await try_database()
    except Exception as error:
        logger.warning("not ready", extra={"need": "database", "reason": str(error) or repr(error)})
        return False
    return True


async def _respond(send: Any, status: int, document: dict[str, str]) -> None:
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
