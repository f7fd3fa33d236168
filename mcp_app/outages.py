"""Which exceptions mean that a store is away, rather than that this server is at fault."""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError, OperationalError

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
