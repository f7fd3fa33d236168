"""Topics: wake-ups that any process of the project sends to those who listen in the serving processes."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mcp_app.coordination import keys
from mcp_app.coordination.bus import Bus, BusMessage
from mcp_app.coordination.directory import Directory

PUBLISHED = "topic.published"

MAX_PAYLOADS = 100
"""How many payloads wait for a listener; beyond that, the oldest are dropped."""

MAX_BYTES = 64 * 1024
"""The maximum size of a payload, as JSON."""


async def publish(directory: Directory, topic: str, payload: Mapping[str, Any]) -> None:
    """Wake those who listen to a topic, in all serving processes. A failure is logged, not raised.

    Raises:
        ValueError: The payload is larger than `MAX_BYTES`.
        TypeError: The payload is not JSON.
    """
    # As JSON: the channel layer's serializer does not support every integer.
    message = {"type": PUBLISHED, "topic": topic, "payload": encoded(payload)}
    await directory.publish(message, keys.processes())


def encoded(payload: Mapping[str, Any]) -> str:
    """A payload as JSON; raises what `publish` does."""
    text = json.dumps(dict(payload))
    if len(text) > MAX_BYTES:
        raise ValueError(f"a payload may have {MAX_BYTES} bytes as JSON, and this one has {len(text)}")
    return text


class TopicListener:
    """Hears what is published under one topic while it is open."""

    def __init__(self) -> None:
        self._payloads: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MAX_PAYLOADS)

    async def wait(self, seconds: float) -> dict[str, Any] | None:
        """The next payload, in the order of arrival; None if none arrives within this many seconds.

        It may have arrived before. The last hundred are kept.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._payloads.get()
        except TimeoutError:
            return None

    def put(self, payload: dict[str, Any]) -> None:
        """Deliver a payload."""
        if self._payloads.full():
            self._payloads.get_nowait()
        self._payloads.put_nowait(payload)


class Topics:
    """The topics that this process listens to.

    What `notify.publish` sends arrives at most once in each process that serves: never after an outage of
    Redis, or while the process is paused. So what must not be lost is in Redis or the database, and a
    listener also looks there now and then: a lost wake-up then costs the seconds that it waits.
    """

    def __init__(self, bus: Bus) -> None:
        self._listeners: dict[str, set[TopicListener]] = defaultdict(set)
        bus.on(PUBLISHED, self._on_published)

    @contextmanager
    def listen(self, topic: str) -> Iterator[TopicListener]:
        """Listen to a topic: `with engine.bus.listen("orders.paid") as paid: … await paid.wait(5)`.

        Args:
            topic: Its name, as given to `notify.publish`.
        """
        listener = TopicListener()
        self._listeners[topic].add(listener)
        try:
            yield listener
        finally:
            listeners = self._listeners[topic]
            listeners.discard(listener)
            if not listeners:
                del self._listeners[topic]

    def _on_published(self, message: BusMessage) -> None:
        for listener in self._listeners.get(message["topic"], ()):
            listener.put(json.loads(message["payload"]))
