"""The exception shared by all layers for an outage of a store."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

RETRY_AFTER_SECONDS = 2
"""The value of `Retry-After`."""


class Store(Enum):
    """The stores that requests depend on. The value is the message for clients during an outage."""

    SESSIONS = "The session store cannot be reached; try again shortly."
    DATABASE = "The database cannot be used; try again shortly."


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


class Reaching:
    """A context that converts exceptions which mean an outage of a store to `Unavailable`.

    It may be entered any number of times, also concurrently.

    Args:
        store: The store.
        is_outage: Whether an exception means that it is unavailable.
    """

    def __init__(self, store: Store, is_outage: Callable[[BaseException], bool]) -> None:
        self._store = store
        self._is_outage = is_outage

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None and self._is_outage(error):
            raise Unavailable(self._store, error) from error
