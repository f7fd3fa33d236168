"""Announcements: what the synchronous side of the project tells the processes that serve MCP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from channels.layers import get_channel_layer
from mcp.server.subscriptions import ServerEvent
from mcp.shared.subscriptions import ResourceUpdated

from mcp_app import announcements
from mcp_app.sessions.bus import ChannelLayerBus
from mcp_app.sessions.mailbox import Mailbox
from mcp_app.tokens import WITHDRAWN, checksum
from tests.support.waiting import eventually


async def nobody(event: ServerEvent) -> None:
    """Tells no session."""


async def test_what_a_view_announces_is_heard_by_every_process() -> None:
    mailbox = Mailbox(get_channel_layer())
    withdrawn: list[Any] = []
    changes: list[Any] = []
    mailbox.on(WITHDRAWN, lambda message: withdrawn.append(message["checksums"]))
    ChannelLayerBus(mailbox, nobody).subscribe(changes.append)
    await mailbox.start()
    try:
        await asyncio.to_thread(announcements.withdraw_access, [checksum("alice")])
        await asyncio.to_thread(announcements.publish, ResourceUpdated(uri="test://a"))
        await eventually(lambda: withdrawn == [[checksum("alice")]])
        await eventually(lambda: changes == [ResourceUpdated(uri="test://a")])
    finally:
        await mailbox.stop()
        await get_channel_layer().flush()


def test_an_announcement_without_redis_is_logged_and_no_error(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_LAYERS = {
        "default": settings.CHANNEL_LAYERS["default"] | {"CONFIG": {"hosts": ["unix:///nowhere/valkey.sock"]}}
    }
    announcements.withdraw_access([checksum("alice")])
    assert "an announcement was lost" in caplog.text


def test_a_checksum_hides_the_token() -> None:
    assert checksum("alice") == checksum("alice")
    assert checksum("alice") != checksum("bob")
    assert "alice" not in checksum("alice")
    assert len(checksum("")) == 64
