"""The bus: a change of the server, published once, reaches the subscribers in every process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mcp_app.coordination.bus import Bus
from mcp_app.exceptions import Unavailable
from mcp_app.protocol.personal_bus import InMemoryPersonalBus
from mcp_app.sdk import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)

logger = logging.getLogger(__name__)

PUBLISHED = "bus.published"

_KINDS: dict[str, type[ServerEvent]] = {
    kind.__name__: kind
    for kind in (ToolsListChanged, PromptsListChanged, ResourcesListChanged, ResourceUpdated)
}


def to_message(event: ServerEvent, person: str | None = None) -> dict[str, Any]:
    """An event as it travels between processes: for one person (`Person.key`), or for everybody."""
    return {"type": PUBLISHED, "kind": type(event).__name__, "fields": vars(event), "person": person}


class ChannelLayerBus:
    """A `PersonalBus` over the channel layer.

    `subscriptions/listen` (2026-07-28) subscribes here through the SDK, in every process; the sessions of
    the older revisions are told by the process that publishes.

    Args:
        bus: Of this process.
        tell_sessions: Tells the sessions (`Audience.tell`).
    """

    def __init__(self, bus: Bus, tell_sessions: Callable[[ServerEvent, str | None], Awaitable[None]]) -> None:
        self._bus = bus
        self._tell_sessions = tell_sessions
        self._local = InMemoryPersonalBus()
        self._tasks: set[asyncio.Task[None]] = set()
        bus.on(PUBLISHED, self._on_published)

    async def publish(self, event: ServerEvent, person: str | None = None) -> None:
        """Publish a change that has happened. That it cannot be told to all makes it no less a change."""
        await self._bus.broadcast(to_message(event, person))
        try:
            await self._tell_sessions(event, person)
        except Unavailable:
            logger.exception("a change could not be brought to all sessions")

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        return self._local.subscribe(listener)

    def _on_published(self, message: dict[str, Any]) -> None:
        event = _KINDS[message["kind"]](**message["fields"])
        task = asyncio.create_task(self._local.publish(event, message.get("person")))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
