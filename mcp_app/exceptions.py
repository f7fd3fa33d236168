"""The exceptions shared by all layers: a store is unavailable or unreadable, or a request is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

__all__ = ["Store", "Unavailable"]

RETRY_AFTER_SECONDS = 2
"""The value of `Retry-After` during an outage of a store."""


class Store(Enum):
    """The stores that requests depend on. The value is the message for clients during an outage."""

    SESSIONS = "The session store is unavailable; try again shortly."
    DATABASE = "The database cannot be used; try again shortly."


class Refused(Exception):
    """A request is refused although nothing failed.

    Whoever runs before the call may raise it, and so may a middleware or a handler of the low-level server.
    From a tool or a resource of an `MCPServer` it counts as a bug, as every exception does that is not for
    clients: raise `ToolError` or `MCPError` there.

    Attributes:
        data: The `data` of the error.
    """

    data: Any = None


class Unavailable(Exception):
    """A store is unavailable.

    The message is the reason, for the log: it may contain hosts and users, so clients get the store's
    message.

    Args:
        store: The store.
        reason: The underlying error, or a message.
    """

    def __init__(self, store: Store, reason: BaseException | str) -> None:
        super().__init__(str(reason).strip() or repr(reason))
        self.store = store

    def copy(self) -> Unavailable:
        """A new exception with the same meaning, to be raised from an exception that this one caused."""
        return Unavailable(self.store, str(self))


class Unreadable(Unavailable):
    """Something in Redis cannot be read: another release wrote it, or it is damaged.

    It is unavailable for good. That ends what it belongs to, such as a session or a task, and nothing else.
    """

    def __init__(self, reason: BaseException | str) -> None:
        super().__init__(Store.SESSIONS, reason)


@contextmanager
def reading() -> Iterator[None]:
    """A context for code that parses a value from Redis; also a decorator for a function that does.

    Raises:
        Unreadable: The value is malformed.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise Unreadable(repr(error)) from error


class Reaching:
    """A context that converts exceptions which mean an outage of a store to `Unavailable`.

    It may be entered any number of times, also concurrently.

    Args:
        store: The store.
        is_outage: Whether an exception means that it is unavailable.
        is_damage: Whether it means instead that what is stored there is malformed: `Unreadable`.
    """

    def __init__(
        self,
        store: Store,
        is_outage: Callable[[BaseException], bool],
        is_damage: Callable[[BaseException], bool] = lambda error: False,
    ) -> None:
        self._store = store
        self._is_outage = is_outage
        self._is_damage = is_damage

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            return
        if self._is_damage(error):
            raise Unreadable(error) from error
        if self._is_outage(error):
            raise Unavailable(self._store, error) from error
