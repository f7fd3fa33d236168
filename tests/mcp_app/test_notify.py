"""Notifications from anywhere in the project reach the processes that listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.db import transaction
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)

from mcp_app import notify
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import connect
from mcp_app.coordination.directory import Directory
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import EventLog
from mcp_app.sessions.subscribers import SharedSubscriptionBus, Subscribers
from tests.support.waiting import eventually


@pytest.fixture
async def heard(redis_server: str) -> AsyncIterator[list[Any]]:
    """The changes that reach a process with a listen stream."""
    redis, bus = connect(redis_server), Bus(get_channel_layer())
    directory = Directory(redis, bus)
    changes: list[Any] = []
    subscribers = Subscribers(redis, EventLog(redis, directory))
    SharedSubscriptionBus(directory, subscribers).subscribe(changes.append)
    await bus.start()
    await directory.register_and_renew(keys.LISTENERS)
    yield changes
    await bus.stop()
    await redis.zrem(keys.LISTENERS, bus.address)
    await redis.aclose()
    await get_channel_layer().flush()


@pytest.mark.parametrize(
    ("tell", "change"),
    [
        (lambda: notify.resource_updated("test://a"), ResourceUpdated(uri="test://a")),
        (notify.resources_changed, ResourcesListChanged()),
        (notify.tools_changed, ToolsListChanged()),
        (notify.prompts_changed, PromptsListChanged()),
    ],
    ids=["resource", "resources", "tools", "prompts"],
)
async def test_notifications_from_a_view_arrive(
    heard: list[Any], tell: Callable[[], None], change: Any
) -> None:
    await asyncio.to_thread(tell)
    await eventually(lambda: heard == [change])


async def test_notifications_from_a_coroutine_arrive(heard: list[Any]) -> None:
    await notify.aresource_updated("test://a")
    await notify.aresources_changed()
    await notify.atools_changed()
    await notify.aprompts_changed()
    await eventually(lambda: len(heard) == 4)


@pytest.mark.django_db(transaction=True)
def test_a_change_within_a_transaction_is_announced_at_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    async def publish(event: Any, person: Any) -> None:
        told.append(event)

    monkeypatch.setattr(notify, "_apublish", publish)
    with transaction.atomic():
        notify.tools_changed()
        transaction.set_rollback(True)
    with transaction.atomic():
        notify.prompts_changed()
        assert told == []
    assert told == [PromptsListChanged()]


def test_a_change_without_redis_is_logged_and_raises_no_error(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    notify.tools_changed()
    assert "could not notify all subscribers" in caplog.text
