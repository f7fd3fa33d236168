"""A subscription bus that can deliver to a single person."""

from __future__ import annotations

from collections.abc import Callable

from mcp.server.subscriptions import InMemorySubscriptionBus, ServerEvent

from mcp_app.protocol.personal import current_person

Listener = Callable[[ServerEvent], None]


class PersonalBus:
    """The SDK's `SubscriptionBus`, within one process, with changes that concern one person only.

    The SDK subscribes while it serves `subscriptions/listen`, so the person is that of the request.
    """

    def __init__(self) -> None:
        self._everybody = InMemorySubscriptionBus()
        self._listeners: dict[str, dict[object, Listener]] = {}

    async def publish(self, event: ServerEvent, person: str | None = None) -> None:
        """Publish a change that has happened, to one person only (`Person.key`) or to everybody."""
        if person is None:
            await self._everybody.publish(event)
            return
        personal = InMemorySubscriptionBus()
        for listener in self._listeners.get(person, {}).values():
            personal.subscribe(listener)
        await personal.publish(event)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Subscribe to changes as the person of the current request. Returns how to unsubscribe."""
        person, subscription = current_person().key, object()
        leave = self._everybody.subscribe(listener)
        self._listeners.setdefault(person, {})[subscription] = listener

        def unsubscribe() -> None:
            leave()
            listeners = self._listeners.get(person, {})
            listeners.pop(subscription, None)
            if not listeners:
                self._listeners.pop(person, None)

        return unsubscribe
