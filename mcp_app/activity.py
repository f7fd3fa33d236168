"""What happens in this process, noted only while somebody watches (`mcp_app.monitoring.room`).

    if activity.watched:
        activity.note("wake.sent", session=session_id, to=names)

So while nobody watches, a note costs one comparison. Notes name no arguments, results or tokens, and no
session by its whole id.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any

from mcp_app.ids import short_id

MAX_PER_SECOND = 200
"""Notes kept per second; beyond that, only their number by kind is kept."""

_MAX_PEOPLE = 2000
"""How many sessions' owners are remembered."""

_MAX_QUERIES = 10_000

MAX_SHOWN = 50
"""How many calls and streams of a process are listed; of the rest, only the number is reported."""


class Activity:
    """The notes of a process. Its methods are called in the event loop, except `query`.

    Attributes:
        watched: Whether anybody watches.
        queries: Whose database queries have run since they were last taken; None if it is nobody's.
    """

    def __init__(self) -> None:
        self.watched = False
        self.queries: deque[str | None] = deque(maxlen=_MAX_QUERIES)
        self._notes: list[dict[str, Any]] = []
        self._unkept: Counter[str] = Counter()
        self._people: dict[str, str] = {}
        self._second = 0
        self._in_second = 0

    def note(
        self, kind: str, *, session: str | None = None, person: str | None = None, **fields: Any
    ) -> None:
        """Note what happens.

        Args:
            kind: What it is, such as `stream.open`.
            session: The id of the session.
            person: Whom it belongs to (`Principal.person_key`). None if the session tells: the person is then
                known from an earlier note, or only operators see this one.
            fields: Short values that may be shown.
        """
        if session is not None:
            if person is None:
                person = self._people.get(session)
            elif session not in self._people:
                if len(self._people) >= _MAX_PEOPLE:
                    del self._people[next(iter(self._people))]
                self._people[session] = person
            fields["session"] = short_id(session)
        now = time.time()
        if int(now) != self._second:
            self._second, self._in_second = int(now), 0
        self._in_second += 1
        if self._in_second > MAX_PER_SECOND:
            self._unkept[kind] += 1
        else:
            self._notes.append({"type": kind, "at": round(now, 3), "person": person, **fields})

    def query(self, person: str | None) -> None:
        """Count a database query; may be called in any thread."""
        self.queries.append(person)

    def take(self) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """What was noted since the last time, and how much more of each kind."""
        notes, self._notes = self._notes, []
        unkept, self._unkept = dict(self._unkept), Counter()
        return notes, unkept

    def take_queries(self) -> Counter[str | None]:
        """How many queries have run since the last time, by person."""
        found: Counter[str | None] = Counter()
        while self.queries:
            found[self.queries.popleft()] += 1
        return found

    def forget(self) -> None:
        """Nobody watches any more."""
        self.watched = False
        self._people.clear()
        self.queries.clear()
        self.take()
