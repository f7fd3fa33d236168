"""What a server does with the database, in all of its threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from channels.db import database_sync_to_async
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


@dataclass
class Watched:
    """The queries over connections that were opened meanwhile, and those connections."""

    queries: list[str] = field(default_factory=list)
    connections: list[BaseDatabaseWrapper] = field(default_factory=list)

    @property
    def still_open(self) -> list[BaseDatabaseWrapper]:
        return [each for each in self.connections if each.connection is not None]


@contextmanager
def watched_database() -> Iterator[Watched]:
    """Watch the connections that are opened from now on: those of a call, and of what has its own thread."""
    watched = Watched()

    def record(run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        watched.queries.append(sql)
        return run(sql, *rest)

    def opened(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        watched.connections.append(connection)
        if record not in connection.execute_wrappers:
            connection.execute_wrappers.append(record)

    connection_created.connect(opened)
    try:
        yield watched
    finally:
        connection_created.disconnect(opened)
        for connection in watched.connections:
            connection.execute_wrappers = [each for each in connection.execute_wrappers if each != record]


async def in_database(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns that uses the database, in a thread that keeps no connection."""
    return await database_sync_to_async(work, thread_sensitive=False)(*arguments)
