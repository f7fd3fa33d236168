"""The connections to Redis of one process; each person gets a share of them.

The pool serves those who wait in the order of their arrival. Without shares, somebody whose hundred calls all
write at once would always have a hundred places ahead of everybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakValueDictionary

from mcp_app.coordination.failover import FailoverPool
from mcp_app.coordination.turns import acquire

PARTS = 4
"""One person uses at most this fraction of the connections."""

sharing_person: ContextVar[str | None] = ContextVar("sharing_person", default=None)
"""The person (`Person.key`) whose share this code and the tasks that it starts use. None if there is no
limit."""


@contextmanager
def share_of(person: str | None) -> Iterator[None]:
    """A context for code that uses Redis for a person (`Person.key`): it gets no more than their share.

    Tasks that are started in the body inherit it. With None the body is no longer limited by a share.
    """
    token = sharing_person.set(person)
    try:
        yield
    finally:
        sharing_person.reset(token)


def current_share() -> str | None:
    """The person whose share this code uses (`Person.key`), if it is limited by one."""
    return sharing_person.get()


class SharedPool(FailoverPool):
    """A pool in which the commands of one person queue among themselves.

    Whoever waits longer than the pool's `timeout` gets `TooManyWaiting` if it is for their own commands, and
    a `ConnectionError` otherwise, as from any pool.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._share: int = max(1, self.max_connections // PARTS)
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._lent: dict[Any, asyncio.Semaphore] = {}
        """The shares that connections in use belong to."""

    async def get_connection(self, *args: Any, **options: Any) -> Any:
        person = current_share()
        if person is None:
            return await super().get_connection(*args, **options)
        share = self._shares.get(person)
        if share is None:
            share = self._shares[person] = asyncio.Semaphore(self._share)
        if share.locked():
            await acquire(share, self.timeout)
        else:
            await share.acquire()  # at once, so it needs no timer
        try:
            connection = await super().get_connection(*args, **options)
        except BaseException:
            share.release()
            raise
        self._lent[connection] = share
        return connection

    async def release(self, connection: Any) -> None:
        share = self._lent.pop(connection, None)
        try:
            await super().release(connection)
        finally:
            if share is not None:
                share.release()
