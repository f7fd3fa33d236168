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

from mcp_app.coordination.bus import Bus
from mcp_app.exceptions import Store, Unavailable
from mcp_app.sessions.subscription_bus import ChannelLayerBus
from tests.support.waiting import eventually

Open = Callable[[], Awaitable[Bus]]


async def nobody(event: ServerEvent) -> None:
    """Tells no session."""


@pytest.mark.parametrize(
    "event",
    [ToolsListChanged(), PromptsListChanged(), ResourcesListChanged(), ResourceUpdated(uri="test://ü")],
    ids=repr,
)
async def test_every_kind_of_change_reaches_every_process(open_bus: Open, event: ServerEvent) -> None:
    here = ChannelLayerBus(await open_bus(), nobody)
    there = ChannelLayerBus(await open_bus(), nobody)
    heard: dict[str, list[ServerEvent]] = {"here": [], "there": []}
    here.subscribe(heard["here"].append)
    there.subscribe(heard["there"].append)
    await here.publish(event)
    await eventually(lambda: heard == {"here": [event], "there": [event]})


async def test_who_has_unsubscribed_hears_nothing(bus: Bus) -> None:
    subscriptions = ChannelLayerBus(bus, nobody)
    gone: list[ServerEvent] = []
    stays: list[ServerEvent] = []
    unsubscribe = subscriptions.subscribe(gone.append)
    subscriptions.subscribe(stays.append)
    unsubscribe()
    await subscriptions.publish(ToolsListChanged())
    await eventually(lambda: stays)
    assert gone == []


async def test_sessions_that_cannot_be_told_keep_nobody_from_hearing(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(event: ServerEvent) -> None:
        raise Unavailable(Store.SESSIONS, "Redis is down")

    subscriptions = ChannelLayerBus(bus, fail)
    heard: list[ServerEvent] = []
    subscriptions.subscribe(heard.append)
    await subscriptions.publish(ToolsListChanged())
    assert "could not be brought" in caplog.text
    await eventually(lambda: heard == [ToolsListChanged()])
