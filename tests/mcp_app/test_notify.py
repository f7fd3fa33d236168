"""Notifications from anywhere in the project reach the processes that listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
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
from mcp_app.coordination.layer import channel_layer
from mcp_app.coordination.processes import ProcessRegistry
from mcp_app.coordination.topics import Topics
from mcp_app.protocol.personal import Person
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import EventLog
from mcp_app.sessions.subscribers import SharedSubscriptionBus, Subscribers
from tests.support.asgi import PATIENCE
from tests.support.waiting import eventually


@pytest.fixture
async def heard(redis_server: str) -> AsyncIterator[list[Any]]:
    """The changes that reach a process with a listen stream."""
    redis, bus = connect(redis_server), Bus(channel_layer())
    directory = Directory(redis, bus)
    changes: list[Any] = []
    subscribers = Subscribers(redis, EventLog(redis, directory))
    SharedSubscriptionBus(directory, subscribers).subscribe(changes.append)
    await bus.start()
    await directory.register_and_renew(keys.listening_processes())
    yield changes
    await bus.stop()
    await redis.zrem(keys.listening_processes(), bus.address)
    await redis.aclose()
    await channel_layer().flush()


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


async def test_a_change_for_one_person_reaches_nobody_else(heard: list[Any]) -> None:
    """The one who listens here is not signed in, and so is another person than anybody who is."""
    for person in (Person("https://auth.example", "alice"), Person()):
        await notify.aresource_updated(f"test://{person.subject}", person.key)
        await notify.aresources_changed(person.key)
        await notify.atools_changed(person.key)
    own = [ResourceUpdated(uri="test://"), ResourcesListChanged(), ToolsListChanged()]
    await eventually(lambda: heard == own)


@pytest.mark.django_db(transaction=True)
def test_a_change_within_a_transaction_is_announced_at_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    async def announce(changes: Any) -> None:
        told.extend(event for event, _ in changes)

    monkeypatch.setattr(notify, "_aannounce", announce)
    with transaction.atomic():
        notify.tools_changed()
        transaction.set_rollback(True)
    with transaction.atomic():
        notify.prompts_changed()
        assert told == []
    assert told == [PromptsListChanged()]


@pytest.fixture
async def serving(redis_server: str) -> AsyncIterator[list[Topics]]:
    """The topics of two processes that serve."""
    redis, buses = connect(redis_server), [Bus(channel_layer()) for _ in range(2)]
    for bus in buses:
        await bus.start()
        await ProcessRegistry(redis, bus).register()
    yield [Topics(bus) for bus in buses]
    for bus in buses:
        await ProcessRegistry(redis, bus).leave()
        await bus.stop()
    await redis.aclose()
    await channel_layer().flush()


async def test_what_a_view_publishes_wakes_those_who_listen_to_the_topic_in_every_process(
    serving: list[Topics],
) -> None:
    one, other = serving
    with one.listen("paid") as here, other.listen("paid") as there, other.listen("sent") as elsewhere:
        await asyncio.to_thread(notify.publish, "paid", {"order": 2**70})
        await notify.apublish("paid", {"order": 2})
        for listener in (here, there):
            assert [await listener.wait(PATIENCE) for _ in range(2)] == [{"order": 2**70}, {"order": 2}]
        assert await elsewhere.wait(0.0) is None


async def test_a_wake_up_is_kept_for_a_listener_that_is_busy_and_the_oldest_of_too_many_are_dropped(
    serving: list[Topics], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_app.coordination.topics.MAX_PAYLOADS", 2)
    with serving[0].listen("paid") as busy, serving[0].listen("done") as done:
        for number in range(3):
            await notify.apublish("paid", {"order": number})
        await notify.apublish("done", {})
        assert await done.wait(PATIENCE) == {}
        assert [await busy.wait(0.0) for _ in range(3)] == [{"order": 1}, {"order": 2}, None]


async def test_who_listens_no_more_is_not_kept(serving: list[Topics]) -> None:
    with serving[0].listen("paid") as former:
        pass
    with serving[0].listen("paid") as listener:
        await notify.apublish("paid", {})
        assert await listener.wait(PATIENCE) == {}
    assert await former.wait(0.0) is None


@pytest.mark.parametrize(
    ("payload", "error"), [({"text": "x" * 64 * 1024}, ValueError), ({"at": object()}, TypeError)]
)
@pytest.mark.django_db(transaction=True)
def test_a_payload_that_cannot_be_published_is_refused_where_it_is_given(
    payload: dict[str, Any], error: type[Exception]
) -> None:
    with transaction.atomic(), pytest.raises(error):
        notify.publish("paid", payload)


@pytest.mark.django_db(transaction=True)
def test_what_is_published_within_a_transaction_is_sent_at_its_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[str] = []

    async def apublish(topic: str, payload: Any) -> None:
        sent.append(topic)

    monkeypatch.setattr(notify, "apublish", apublish)
    with transaction.atomic():
        notify.publish("rolled back", {})
        transaction.set_rollback(True)
    with transaction.atomic():
        notify.publish("committed", {})
        assert sent == []
    assert sent == ["committed"]


def test_publishing_without_redis_is_logged_and_raises_no_error(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    notify.publish("paid", {})
    assert "message to other processes lost" in caplog.text


def test_a_change_without_redis_is_logged_and_raises_no_error(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    notify.tools_changed()
    assert "could not notify all subscribers" in caplog.text
