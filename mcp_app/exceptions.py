"""Which exceptions mean that a store is away, rather than a fault of this server, and what clients are told.

They get these sentences and not the error's text, which may name hosts and users: that is for the log.
"""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError, OperationalError

DATABASE_AWAY = "The database cannot be used; try again shortly."
REDIS_AWAY = "The session store cannot be reached; try again shortly."
RETRY_SECONDS = 2
"""When to come back, for `Retry-After`."""

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
