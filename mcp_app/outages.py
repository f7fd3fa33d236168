"""Which exceptions mean that a store is away, rather than that this server is at fault."""

from __future__ import annotations

from django.db import InterfaceError, InternalError, OperationalError

_READ_ONLY = "25006"
"""SQLSTATE read_only_sql_transaction: PostgreSQL has become a standby, as after a failover."""


def is_database_outage(error: BaseException) -> bool:
    """Whether the database cannot be used for now.

    It cannot be reached, refuses the connection or the password, has too many clients, took too long, is
    locked (SQLite), shuts down, or takes no writes.
    """
    if isinstance(error, InternalError):
        return getattr(error.__cause__, "sqlstate", None) == _READ_ONLY
    return isinstance(error, OperationalError | InterfaceError)
