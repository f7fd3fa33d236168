"""A subscription bus that can deliver to one person only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mcp.server.subscriptions import InMemorySubscriptionBus, ServerEvent

from mcp_app.protocol.personal import current_person

Listener = Callable[[ServerEvent], None]


class PersonalBus(Protocol):
    """The SDK's `SubscriptionBus`, for changes that concern one person as well."""

    async def publish(self, event: ServerEvent, person: str | None = None) -> None:
        """Publish a change that has happened.

        Args:
            event: The change.
            person: The key of the only person who is told (`Person.key`); None for everybody.
        """

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hear of changes, as the person who makes the current request. Returns how to end that."""


class InMemoryPersonalBus:
    """Such a bus within one process.

    The SDK subscribes while it serves `subscriptions/listen`, so the person is the one of that request.
    """

    def __init__(self) -> None:
        self._everybody = InMemorySubscriptionBus()
        self._listeners: dict[str, dict[object, Listener]] = {}

    async def publish(self, event: ServerEvent, person: str | None = None) -> None:
        if person is None:
            await self._everybody.publish(event)
            return
        personal = InMemorySubscriptionBus()
        for listener in self._listeners.get(person, {}).values():
            personal.subscribe(listener)
        await personal.publish(event)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        person, token = current_person().key, object()
        leave = self._everybody.subscribe(listener)
        self._listeners.setdefault(person, {})[token] = listener

        def unsubscribe() -> None:
            leave()
            listeners = self._listeners.get(person, {})
            listeners.pop(token, None)
            if not listeners:
                self._listeners.pop(person, None)

        return unsubscribe
