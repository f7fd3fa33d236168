"""Readiness of the database, for the `needs` of `mcp_app.routing.mcp_application`."""

from __future__ import annotations

from collections.abc import Collection
from contextvars import ContextVar
from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
WRITES = "writes_while_serving"
"""The attribute of an app's config that says that processes which serve MCP write its tables."""

is_probe: ContextVar[bool] = ContextVar("is_probe", default=False)
"""Whether a connection is that of the probe. A database backend that limits the connections of a process can
let it through: a busy process is ready."""


def has_database() -> bool:
    """Whether the project has a database: `DATABASES` may be empty, or its default."""
    return bool(connections[DEFAULT_DB_ALIAS].settings_dict["ENGINE"] != "django.db.backends.dummy")


def written_apps() -> list[str]:
    """The labels of the installed apps whose configs have a true `writes_while_serving`."""
    return [config.label for config in apps.get_app_configs() if getattr(config, WRITES, False)]


async def try_database(labels: Collection[str] | None = None) -> None:
    """Connect like a request, read, and check that the role may write.

    Args:
        labels: The apps whose tables this process writes; None for all.

    Raises:
        django.db.Error: The database is unreachable, read-only or not migrated, or the role may not write.
    """
    # In any thread of the pool, so that a probe does not wait for the queries of requests.
    await sync_to_async(_try, thread_sensitive=False)(labels)


def _try(labels: Collection[str] | None) -> None:
    connection: Any = connections.create_connection(DEFAULT_DB_ALIAS)
    probing = is_probe.set(True)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM django_migrations WHERE 1 = 0")
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
        is_probe.reset(probing)
        connection.close()


def _tables(labels: Collection[str] | None) -> list[str]:
    return [
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and (labels is None or model._meta.app_label in labels)
    ]
