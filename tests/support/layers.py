"""A channel layer that can lose messages."""

from __future__ import annotations

from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer


class LossyLayer(RedisPubSubChannelLayer):
    """The channel layer of the project; set `loses` to a message type, or to "everything"."""

    loses: str | None = None

    def __getattr__(self, name: str) -> Any:
        method = super().__getattr__(name)
        if name not in ("send", "group_send"):
            return method

        async def send(address: str, message: dict[str, Any]) -> None:
            if self.loses not in ("everything", message["type"]):
                await method(address, message)

        return send
