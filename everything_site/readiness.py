"""Whether the database works, tried for `mcp_app.transports.health.Readyz`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from channels.db import database_sync_to_async
from django.apps import apps
from django.db import OperationalError, connections

_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


async def try_database(labels: Collection[str] | None = None) -> None:
    """Connect as a request does, read, and see that the role may write.

    Args:
        labels: The apps whose tables this process writes; all if None.

    Raises:
        django.db.Error: It cannot be reached, takes no writes, forbids them, or has not been migrated.
    """
    # In any thread of the pool: one probe must not wait for another request's queries.
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
                    raise OperationalError("the server is a standby: it takes no writes")
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
