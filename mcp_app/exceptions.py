"""The exception that the layers share: a store is away. That is an outage, and no fault of this server."""

from __future__ import annotations

from enum import Enum

RETRY_SECONDS = 2
"""When to come back, for `Retry-After`."""


class Store(Enum):
    """What requests depend on. The value is what clients are told while it is away."""

    SESSIONS = "The session store cannot be reached; try again shortly."
    DATABASE = "The database cannot be used; try again shortly."


class Unavailable(Exception):
    """A store cannot be used for now.

    Its text is the reason, for the log: it may name hosts and users, so clients get the store's sentence.

    Args:
        store: Which store.
        reason: The error that it gave, or a sentence.
    """

    def __init__(self, store: Store, reason: BaseException | str) -> None:
        super().__init__(str(reason).strip() or repr(reason))
        self.store = store
