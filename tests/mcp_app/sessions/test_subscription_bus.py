"""The bus: a change published in one process reaches the subscribers in all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from mcp.server.subscriptions import ServerEvent
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)

from mcp_app.coordination.bus import Mailbox
from mcp_app.sessions.subscription_bus import ChannelLayerBus
from tests.support.waiting import eventually

Open = Callable[[], Awaitable[Mailbox]]


async def nobody(event: ServerEvent) -> None:
    """Tells no session."""


@pytest.mark.parametrize(
    "event",
    [ToolsListChanged(), PromptsListChanged(), ResourcesListChanged(), ResourceUpdated(uri="test://ü")],
    ids=repr,
)
async def test_every_kind_of_change_reaches_every_process(open_mailbox: Open, event: ServerEvent) -> None:
    here = ChannelLayerBus(await open_mailbox(), nobody)
    there = ChannelLayerBus(await open_mailbox(), nobody)
    heard: dict[str, list[ServerEvent]] = {"here": [], "there": []}
    here.subscribe(heard["here"].append)
    there.subscribe(heard["there"].append)
    await here.publish(event)
    await eventually(lambda: heard == {"here": [event], "there": [event]})


async def test_who_has_unsubscribed_hears_nothing(mailbox: Mailbox) -> None:
    bus = ChannelLayerBus(mailbox, nobody)
    gone: list[ServerEvent] = []
    stays: list[ServerEvent] = []
    unsubscribe = bus.subscribe(gone.append)
    bus.subscribe(stays.append)
    unsubscribe()
    await bus.publish(ToolsListChanged())
    await eventually(lambda: stays)
    assert gone == []


async def test_sessions_that_cannot_be_told_keep_nobody_from_hearing(
    mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(event: ServerEvent) -> None:
        raise ConnectionError("Redis is down")

    bus = ChannelLayerBus(mailbox, fail)
    heard: list[ServerEvent] = []
    bus.subscribe(heard.append)
    await bus.publish(ToolsListChanged())
    assert "could not be brought" in caplog.text
    await eventually(lambda: heard == [ToolsListChanged()])
