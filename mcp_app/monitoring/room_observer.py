"""The observer of calls that the machine room adds while somebody watches."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from mcp_app.activity import Activity
from mcp_app.auth.tokens import owner
from mcp_app.observers import CallFacts, CallOutcome, Observer
from mcp_app.protocol.personal import person_key


class RoomObserver(Observer):
    """Notes what reaches a handler, and how it ends. It is told in a thread of its own.

    Args:
        activity: Where to note it.
        loop: The event loop of the process.
    """

    def __init__(self, activity: Activity, loop: asyncio.AbstractEventLoop) -> None:
        self._activity = activity
        self._loop = loop

    def call_started(self, call: CallFacts) -> None:
        self._note("request.start", call)

    def call_recovered(self, call: CallFacts) -> None:
        self._note("request.start", call, again=True)

    def call_asked(self, call: CallFacts, method: str) -> None:
        if call.kind == "stateless":  # others are noted where they wait for the answer
            self._note("question.asked", call, question=method)

    def call_finished(self, call: CallFacts, outcome: CallOutcome) -> None:
        self._note("request.end", call, outcome=outcome.kind, ms=round(outcome.seconds * 1000, 1))

    def _note(self, kind: str, call: CallFacts, **fields: Any) -> None:
        note = partial(
            self._activity.note,
            kind,
            session=call.session,
            person=person_key(owner(call.client or None, call.issuer or None, call.subject or None)),
            method=call.method,
            tool=call.tool,
            **fields,
        )
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(note)
