"""Announcements: what the synchronous side of the project tells the processes that serve MCP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from channels.layers import get_channel_layer
from mcp.server.subscriptions import ServerEvent
from mcp.shared.subscriptions import ResourceUpdated
from redis.asyncio import Redis

from mcp_app import announcements
from mcp_app.auth.tokens import WITHDRAWN, checksum
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.leases import Leases
from mcp_app.extensions.tasks.store import TaskStore
from mcp_app.sessions.subscription_bus import ChannelLayerBus
from tests.support.waiting import eventually


async def nobody(event: ServerEvent, person: str | None) -> None:
    """Tells no session."""


async def test_what_a_view_announces_is_heard_by_every_process() -> None:
    bus = Bus(get_channel_layer())
    withdrawn: list[Any] = []
    changes: list[Any] = []
    bus.on(WITHDRAWN, lambda message: withdrawn.append(message["checksums"]))
    ChannelLayerBus(bus, nobody).subscribe(changes.append)
    await bus.start()
    try:
        await asyncio.to_thread(announcements.withdraw_access, [checksum("alice")])
        await asyncio.to_thread(announcements.publish, ResourceUpdated(uri="test://a"))
        await eventually(lambda: withdrawn == [[checksum("alice")]])
        await eventually(lambda: changes == [ResourceUpdated(uri="test://a")])
    finally:
        await bus.stop()
        await get_channel_layer().flush()


def test_an_announcement_without_redis_is_logged_and_no_error(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_LAYERS = {
        "default": settings.CHANNEL_LAYERS["default"] | {"CONFIG": {"hosts": ["unix:///nowhere/valkey.sock"]}}
    }
    announcements.withdraw_access([checksum("alice")])
    assert "an announcement was lost" in caplog.text


async def test_tasks_are_cancelled_although_the_withdrawal_cannot_be_announced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, redis_server: str
) -> None:
    layer = get_channel_layer()

    async def fail(group: str, message: Any) -> None:
        raise ConnectionError("no channel layer")

    async with Redis.from_url(redis_server, decode_responses=True) as redis:
        store = TaskStore(redis, Bus(layer), Leases(redis))
        task = await store.create("alice", "tool", {}, grant="of-carol")
        monkeypatch.setattr(layer, "group_send", fail)
        await asyncio.to_thread(announcements.withdraw_access, [], ["of-carol"])
        found = await store.get(task.id)
    assert found is not None
    assert found.status == "cancelled"
    assert "an announcement was lost" in caplog.text


async def test_a_withdrawal_is_announced_although_tasks_cannot_be_cancelled(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    bus = Bus(get_channel_layer())
    withdrawn: list[Any] = []
    bus.on(WITHDRAWN, lambda message: withdrawn.append(message["grants"]))
    await bus.start()
    try:
        await asyncio.to_thread(announcements.withdraw_access, [], ["of-alice"])
        await eventually(lambda: withdrawn == [["of-alice"]])
    finally:
        await bus.stop()
        await get_channel_layer().flush()
    assert "tasks of a withdrawn consent may run on" in caplog.text


def test_a_checksum_hides_the_token() -> None:
    assert checksum("alice") == checksum("alice")
    assert checksum("alice") != checksum("bob")
    assert "alice" not in checksum("alice")
    assert len(checksum("")) == 64
