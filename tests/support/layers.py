"""A channel layer that can lose messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from channels_redis.pubsub import RedisPubSubChannelLayer

from mcp_app.coordination import layer


class LossyLayer(RedisPubSubChannelLayer):
    """The engine's channel layer; set `loses` to a message type, or to "everything"."""

    loses: str | None = None

    def __getattr__(self, name: str) -> Any:
        method = super().__getattr__(name)
        if name not in ("send", "group_send"):
            return method

        async def send(address: str, message: dict[str, Any]) -> None:
            if self.loses not in ("everything", message["type"]):
                await method(address, message)

        return send


@contextmanager
def lossy_layers() -> Iterator[None]:
    """Let `channel_layer()` return layers that can lose messages."""
    with patch.object(layer, "RedisPubSubChannelLayer", LossyLayer):
        layer._on.cache_clear()
        yield
    layer._on.cache_clear()
