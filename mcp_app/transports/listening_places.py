"""The places of a process for `subscriptions/listen`, shared so that nobody can take them all."""

from __future__ import annotations

import asyncio
from collections import Counter

from mcp_app.transports import errors

MAX_LISTENING = 1024
"""How many `subscriptions/listen` a process serves. The SDK has this limit, too, but does not name it."""

PARTS = 4
"""One person gets at most this fraction of the places that are free."""

MIN_PLACES = 4
"""How many places a person gets in any case, as long as there are any."""


class ListeningPlaces:
    """Counts the `subscriptions/listen` of a process, by person."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def ensure(self, person: str) -> None:
        """Refuse a request if there is no place for it. `take` it before the next await.

        Args:
            person: Whose request it is (`Person.key`).

        Raises:
            HttpError: The process serves as many as it can, or as many of this person as it should.
        """
        free = MAX_LISTENING - self._taken.total()
        if free <= 0:
            raise errors.too_many_listening(MAX_LISTENING)
        share = max(MIN_PLACES, free // PARTS)
        if self._taken[person] >= share:
            raise errors.too_many_listeners_for_user(share)

    def take(self, person: str, task: asyncio.Task[None]) -> None:
        """Count a request until its task is done."""
        self._taken[person] += 1
        task.add_done_callback(lambda _: self._leave(person))

    def _leave(self, person: str) -> None:
        self._taken[person] -= 1
        if not self._taken[person]:
            del self._taken[person]
