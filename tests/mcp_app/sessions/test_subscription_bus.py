"""The bus: a change published in one process reaches the subscribers in all."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.subscriptions import ServerEvent
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)
from redis.asyncio import Redis

from mcp_app.coordination.bus import Bus
from mcp_app.exceptions import Store, Unavailable
from mcp_app.protocol.personal import Person
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import EventLog
from mcp_app.sessions.store import SessionStore
from mcp_app.sessions.subscribers import Audience
from mcp_app.sessions.subscription_bus import ChannelLayerBus
from tests.support.parts import make_record
from tests.support.waiting import eventually

Open = Callable[[], Awaitable[Bus]]


async def nobody(event: ServerEvent, person: str | None) -> None:
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
    async def fail(event: ServerEvent, person: str | None) -> None:
        raise Unavailable(Store.SESSIONS, "Redis is down")

    subscriptions = ChannelLayerBus(bus, fail)
    heard: list[ServerEvent] = []
    subscriptions.subscribe(heard.append)
    await subscriptions.publish(ToolsListChanged())
    assert "could not be brought" in caplog.text
    await eventually(lambda: heard == [ToolsListChanged()])


@contextmanager
def signed_in(subject: str) -> Iterator[None]:
    token = AccessToken(token="t", client_id="c", scopes=[], subject=subject, claims={"iss": "https://as"})
    context = auth_context_var.set(AuthenticatedUser(token))
    try:
        yield
    finally:
        auth_context_var.reset(context)


async def test_a_change_for_one_person_reaches_their_listeners_in_every_process_and_nobody_elses(
    open_bus: Open,
) -> None:
    here, there = ChannelLayerBus(await open_bus(), nobody), ChannelLayerBus(await open_bus(), nobody)
    heard: list[str] = []
    ends = []
    for where, bus in (("here", here), ("there", there)):
        for person in ("alice", "bob"):
            with signed_in(person):
                ends.append(bus.subscribe(lambda event, name=f"{person} {where}": heard.append(name)))  # type: ignore[misc]
    await here.publish(ResourcesListChanged(), Person("https://as", "alice").key)
    await eventually(lambda: sorted(heard) == ["alice here", "alice there"])
    await there.publish(ToolsListChanged())
    await eventually(lambda: len(heard) == 6)
    for end in ends:
        end()
        end()
    await here.publish(ResourcesListChanged(), Person("https://as", "alice").key)
    await here.publish(ToolsListChanged())
    assert len(heard) == 6


async def test_a_change_for_one_person_is_told_to_their_listening_sessions_alone(
    redis: Redis, bus: Bus, store: SessionStore
) -> None:
    log = EventLog(redis, bus)
    audience = Audience(redis, log)

    async def session(owner: str, *, listens: bool = True) -> str:
        record = make_record(owner=owner)
        await store.create(record)
        if listens:
            await audience.join(record.id)
        return record.id

    person = Person("https://as", secrets.token_hex(8))
    own = [await session(f'["{client}","https://as","{person.subject}"]') for client in ("one", "two")]
    silent = await session(f'["one","https://as","{person.subject}"]', listens=False)
    elsewhere = await session(f'["one","https://another","{person.subject}"]')
    ended = await session(f'["one","https://as","{person.subject}"]')
    await redis.delete(keys.record(ended))
    await audience.tell(ResourcesListChanged(), person.key)
    for session_id in own:
        assert "notifications/resources/list_changed" in str(await redis.xrange(keys.pending(session_id)))
    for session_id in (silent, elsewhere, ended):
        assert not await redis.exists(keys.pending(session_id))


async def test_a_session_does_not_live_longer_for_hearing_of_changes(
    redis: Redis, bus: Bus, store: SessionStore
) -> None:
    person = Person("https://as", secrets.token_hex(8))
    record = make_record(owner=f'["one","https://as","{person.subject}"]')
    await store.create(record)
    audience = Audience(redis, EventLog(redis, bus))
    await audience.join(record.id)
    for key in (keys.record(record.id), keys.owner(record.id)):
        await redis.expire(key, 100)
    await audience.tell(ResourcesListChanged(), person.key)
    for key in (keys.record(record.id), keys.owner(record.id)):
        assert await redis.ttl(key) <= 100
