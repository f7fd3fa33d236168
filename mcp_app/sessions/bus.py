"""The bus: a change of the server, published once, reaches the subscribers in every process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)

from mcp_app.sessions.mailbox import Mailbox

logger = logging.getLogger(__name__)

PUBLISHED = "bus.published"

_KINDS: dict[str, type[ServerEvent]] = {
    kind.__name__: kind
    for kind in (ToolsListChanged, PromptsListChanged, ResourcesListChanged, ResourceUpdated)
}


def to_message(event: ServerEvent) -> dict[str, Any]:
    """An event as it travels between processes."""
    return {"type": PUBLISHED, "kind": type(event).__name__, "fields": vars(event)}


class ChannelLayerBus:
    """The SDK's `SubscriptionBus` over the channel layer.

    `subscriptions/listen` (2026-07-28) subscribes here through the SDK; `also`, if given, brings each
    event to the sessions of the older revisions.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._local = InMemorySubscriptionBus()
        self._tasks: set[asyncio.Task[None]] = set()
        self.also: Callable[[ServerEvent], Awaitable[None]] | None = None
        mailbox.on(PUBLISHED, self._on_published)

    async def publish(self, event: ServerEvent) -> None:
        await self._mailbox.broadcast(to_message(event))

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        return self._local.subscribe(listener)

    def _on_published(self, message: dict[str, Any]) -> None:
        task = asyncio.create_task(self._deliver(_KINDS[message["kind"]](**message["fields"])))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, event: ServerEvent) -> None:
        await self._local.publish(event)
        if self.also is not None:
            try:
                await self.also(event)
            except Exception:
                logger.exception("a change could not be brought to the sessions")
