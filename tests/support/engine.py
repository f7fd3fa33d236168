"""Engines without connections, for servers that tests build and call in memory."""

from __future__ import annotations

from django.conf import settings

from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import connect
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.layer import channel_layer
from mcp_app.coordination.leases import Leases
from mcp_app.protocol.personal_bus import PersonalBus
from mcp_app.server import Engine


def make_engine(kind: type[Engine] = Engine, subscriptions: PersonalBus | None = None) -> Engine:
    """An engine whose subscriptions stay in memory."""
    redis = connect(settings.REDIS_URL)
    directory = Directory(redis, Bus(channel_layer()))
    return kind(redis, directory, Leases(redis), subscriptions or PersonalBus(), [b"k" * 32])
