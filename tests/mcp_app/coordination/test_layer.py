"""The engine's own channel layer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from channels.layers import get_channel_layer

from mcp_app.coordination.bus import Bus
from mcp_app.coordination.layer import channel_layer

LAYERS = ["channels_redis.core.RedisChannelLayer", "channels_redis.pubsub.RedisPubSubChannelLayer"]


@pytest.mark.parametrize("backend", LAYERS)
async def test_the_projects_own_channel_layer_keeps_everything_when_the_bus_reconnects(
    settings: Any, redis_server: str, backend: str
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": [redis_server]}}}
    theirs: Any = get_channel_layer()
    consumer = await theirs.new_channel()
    await theirs.group_add("chat", consumer)
    bus = Bus(channel_layer())
    await bus.start()
    try:
        await bus.reopen()
        await theirs.group_send("chat", {"type": "chat.message"})
        async with asyncio.timeout(10):
            assert await theirs.receive(consumer) == {"type": "chat.message"}
    finally:
        await bus.stop()
        await channel_layer().flush()
        await theirs.flush()


async def test_a_project_needs_no_channel_layer(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {}
    bus = Bus(channel_layer())
    await bus.start()
    try:
        await bus.probe()
    finally:
        await bus.stop()
        await channel_layer().flush()


def test_two_projects_on_one_database_have_two_layers(settings: Any) -> None:
    settings.MCP_REDIS_PREFIX = "one:"
    one = channel_layer()
    settings.MCP_REDIS_PREFIX = "two:"
    assert channel_layer() is not one
    settings.MCP_REDIS_PREFIX = "one:"
    assert channel_layer() is one, "all parts of a process use the same connections"
