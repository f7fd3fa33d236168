"""A change published in one process reaches the listen streams and the sessions of all."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest
import redis as redis_sync
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
from redis.asyncio.client import Pipeline

from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import connect
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.shares import PARTS, share_of
from mcp_app.exceptions import Store, Unavailable
from mcp_app.protocol.personal import Person
from mcp_app.sessions import event_log, keys
from mcp_app.sessions.event_log import NOTIFIED, EventLog
from mcp_app.sessions.store import SessionStore
from mcp_app.sessions.subscribers import SharedSubscriptionBus, Subscribers
from tests.support.asgi import PATIENCE
from tests.support.parts import make_record
from tests.support.waiting import eventually

Open = Callable[[], Awaitable[Bus]]


class NoSessions:
    """Sessions of which none subscribes."""

    fault: Exception | None = None

    async def notify(self, event: ServerEvent, person: str | None) -> None:
        if self.fault is not None:
            raise self.fault


def subscription_bus(directory: Directory, sessions: NoSessions | None = None) -> SharedSubscriptionBus:
    return SharedSubscriptionBus(directory, sessions or NoSessions())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "event",
    [ToolsListChanged(), PromptsListChanged(), ResourcesListChanged(), ResourceUpdated(uri="test://ü")],
    ids=repr,
)
async def test_every_kind_of_change_reaches_every_process_that_listens(
    redis: Redis, open_bus: Open, event: ServerEvent
) -> None:
    here, there, elsewhere = [Directory(redis, await open_bus()) for _ in range(3)]
    await there.register_and_renew(keys.listening_processes())
    heard: dict[str, list[ServerEvent]] = {"here": [], "there": [], "elsewhere": []}
    publisher = subscription_bus(here)
    publisher.subscribe(heard["here"].append)
    subscription_bus(there).subscribe(heard["there"].append)
    subscription_bus(elsewhere).subscribe(heard["elsewhere"].append)
    await publisher.publish(event)
    await eventually(lambda: heard == {"here": [event], "there": [event], "elsewhere": []})


async def test_an_unsubscribed_session_gets_no_updates(directory: Directory) -> None:
    subscriptions = subscription_bus(directory)
    gone: list[ServerEvent] = []
    stays: list[ServerEvent] = []
    unsubscribe = subscriptions.subscribe(gone.append)
    subscriptions.subscribe(stays.append)
    unsubscribe()
    await subscriptions.publish(ToolsListChanged())
    await eventually(lambda: stays)
    assert gone == []


async def test_a_session_that_cannot_be_notified_does_not_stop_the_others(
    directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = NoSessions()
    sessions.fault = Unavailable(Store.SESSIONS, "Redis is down")
    subscriptions = subscription_bus(directory, sessions)
    heard: list[ServerEvent] = []
    subscriptions.subscribe(heard.append)
    await subscriptions.publish(ToolsListChanged())
    assert "could not notify all" in caplog.text
    await eventually(lambda: heard == [ToolsListChanged()])


async def test_a_flood_of_the_same_change_is_published_at_most_once_after_the_current_one(
    directory: Directory,
) -> None:
    class Counting(NoSessions):
        count = 0

        async def notify(self, event: ServerEvent, person: str | None) -> None:
            self.count += 1
            await go.wait()

    sessions, go = Counting(), asyncio.Event()
    bus = subscription_bus(directory, sessions)
    with share_of("mallory"):
        calls = [asyncio.create_task(bus.publish(ToolsListChanged()))]
        await eventually(lambda: sessions.count == 1)
        calls += [asyncio.create_task(bus.publish(ToolsListChanged())) for _ in range(50)]
    with share_of("alice"):
        calls.append(asyncio.create_task(bus.publish(ToolsListChanged())))
    await eventually(lambda: sessions.count == 2)  # that of the other publisher
    go.set()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*calls)
    assert sessions.count == 3


@contextmanager
def signed_in(subject: str) -> Iterator[None]:
    token = AccessToken(token="t", client_id="c", scopes=[], subject=subject, claims={"iss": "https://as"})
    context = auth_context_var.set(AuthenticatedUser(token))
    try:
        yield
    finally:
        auth_context_var.reset(context)


async def test_a_change_for_one_user_reaches_only_their_listeners_in_every_process(
    redis: Redis,
    open_bus: Open,
) -> None:
    directories = [Directory(redis, await open_bus()) for _ in range(2)]
    for directory in directories:
        await directory.register_and_renew(keys.listening_processes())
    here, there = map(subscription_bus, directories)
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


async def test_a_change_for_one_user_reaches_only_their_listening_sessions(
    redis: Redis, directory: Directory, store: SessionStore
) -> None:
    log = EventLog(redis, directory)
    subscribers = Subscribers(redis, log)

    async def session(owner: str, *, listens: bool = True) -> str:
        record = make_record(owner=owner)
        await store.create(record)
        if listens:
            await subscribers.join(record.id)
        return record.id

    person = Person("https://as", secrets.token_hex(8))
    own = [await session(f'["{client}","https://as","{person.subject}"]') for client in ("one", "two")]
    silent = await session(f'["one","https://as","{person.subject}"]', listens=False)
    elsewhere = await session(f'["one","https://another","{person.subject}"]')
    ended = await session(f'["one","https://as","{person.subject}"]')
    await redis.delete(keys.record(ended))
    await subscribers.notify(ResourcesListChanged(), person.key)
    for session_id in own:
        assert "notifications/resources/list_changed" in str(await redis.xrange(keys.pending(session_id)))
    for session_id in (silent, elsewhere, ended):
        assert not await redis.exists(keys.pending(session_id))


@pytest.mark.parametrize("event", [ResourcesListChanged(), ResourceUpdated(uri="test://a")], ids=repr)
async def test_many_sessions_are_looked_at_in_portions(
    redis: Redis, directory: Directory, monkeypatch: pytest.MonkeyPatch, event: ServerEvent
) -> None:
    person = Person("https://as", secrets.token_hex(8))
    sessions = {f"{person.key}-{n}": time.time() + 100 for n in range(600)}
    await redis.zadd(keys.sessions_of_person(person.key), sessions)
    await redis.zadd(keys.subscribers(), sessions)
    portions: list[int] = []
    execute, zmscore = Pipeline.execute, redis.zmscore

    async def counting(pipe: Pipeline, *args: Any, **options: Any) -> Any:
        portions.append(len(pipe))
        return await execute(pipe, *args, **options)

    async def counting_members(key: str, members: list[str]) -> Any:
        portions.append(len(members))
        return await zmscore(key, members)

    monkeypatch.setattr(Pipeline, "execute", counting)
    monkeypatch.setattr(redis, "zmscore", counting_members)
    await Subscribers(redis, EventLog(redis, directory)).notify(event, person.key)
    await redis.delete(keys.sessions_of_person(person.key))
    await redis.zrem(keys.subscribers(), *sessions)
    assert sum(portions) == 2 * 600
    assert max(portions) <= 500


async def test_notifications_do_not_extend_the_life_of_a_session(
    redis: Redis, directory: Directory, store: SessionStore
) -> None:
    person = Person("https://as", secrets.token_hex(8))
    record = make_record(owner=f'["one","https://as","{person.subject}"]')
    await store.create(record)
    subscribers = Subscribers(redis, EventLog(redis, directory))
    await subscribers.join(record.id)
    for key in (keys.record(record.id), keys.owner(record.id)):
        await redis.expire(key, 100)
    await subscribers.notify(ResourcesListChanged(), person.key)
    for key in (keys.record(record.id), keys.owner(record.id)):
        assert await redis.ttl(key) <= 100


@contextmanager
def full_redis(url: str) -> Iterator[None]:
    """A Redis that refuses to store anything."""
    with redis_sync.Redis.from_url(url) as operator:
        operator.config_set("maxmemory", "1")
        try:
            yield
        finally:
            operator.config_set("maxmemory", "0")


AT_ONCE = 10
"""How many sessions are notified at once in these tests."""


class TestManySubscribers:
    """More sessions than are notified at once, of which some cannot be."""

    @pytest.fixture
    async def listening(
        self,
        redis: Redis,
        directory: Directory,
        store: SessionStore,
        person: Person,
        monkeypatch: pytest.MonkeyPatch,
    ) -> list[str]:
        monkeypatch.setattr(event_log, "_AT_ONCE", AT_ONCE)
        subscribers = Subscribers(redis, EventLog(redis, directory))
        records = [make_record(owner=f'["one","https://as","{person.subject}"]') for _ in range(AT_ONCE + 4)]
        for record in records:
            await store.create(record)
            await subscribers.join(record.id)
        return [record.id for record in records]

    @pytest.fixture
    def person(self) -> Person:
        return Person("https://as", secrets.token_hex(8))

    @staticmethod
    async def notified(redis: Redis, sessions: list[str]) -> int:
        return sum([await redis.exists(keys.pending(session_id)) for session_id in sessions])

    @pytest.mark.parametrize("damaged", [1, AT_ONCE + 3])
    async def test_sessions_that_cannot_be_notified_do_not_keep_the_others_from_it(
        self,
        redis: Redis,
        directory: Directory,
        person: Person,
        listening: list[str],
        caplog: pytest.LogCaptureFixture,
        damaged: int,
    ) -> None:
        for session_id in listening[:damaged]:
            await redis.set(keys.pending(session_id), "damaged", ex=60)
        await Subscribers(redis, EventLog(redis, directory)).notify(ResourcesListChanged(), person.key)
        kinds = [await redis.type(keys.pending(session_id)) for session_id in listening]
        assert kinds == ["string"] * damaged + ["stream"] * (len(listening) - damaged)
        assert caplog.text.count("session cannot be notified") == damaged

    @pytest.mark.usefixtures("listening")
    async def test_when_redis_is_full_it_is_not_asked_for_all_sessions(
        self, redis_server: str, redis: Redis, directory: Directory, person: Person
    ) -> None:
        async def scripts() -> int:
            return int((await redis.info("commandstats"))["cmdstat_evalsha"]["calls"])

        subscribers = Subscribers(redis, EventLog(redis, directory))
        await subscribers.notify(ResourcesListChanged(), person.key)
        before = await scripts()
        with full_redis(redis_server), pytest.raises(Unavailable):
            await subscribers.notify(ResourcesListChanged(), person.key)
        assert await scripts() - before <= AT_ONCE

    async def test_a_process_is_told_of_many_sessions_at_once(
        self,
        redis: Redis,
        directory: Directory,
        open_bus: Open,
        person: Person,
        listening: list[str],
    ) -> None:
        there = await open_bus()
        told: list[str] = []
        most = 0

        def hear(message: dict[str, Any]) -> None:
            nonlocal most
            most = max(most, len(message["sessions"]))
            told.extend(message["sessions"])

        there.on(NOTIFIED, hear)
        for session_id in listening:
            await Directory(redis, there).register(keys.processes(session_id), 60)
        await Subscribers(redis, EventLog(redis, directory)).notify(ResourcesListChanged(), person.key)
        await eventually(lambda: sorted(told) == sorted(listening))
        assert most == AT_ONCE

    async def test_all_sessions_are_notified_even_if_the_publisher_is_cancelled(
        self,
        redis: Redis,
        directory: Directory,
        person: Person,
        listening: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        log = EventLog(redis, directory)
        notify, has_begun, go = log.notify, asyncio.Event(), asyncio.Event()

        async def notify_late(*args: Any) -> None:
            has_begun.set()
            await go.wait()
            await notify(*args)

        monkeypatch.setattr(log, "notify", notify_late)
        bus = SharedSubscriptionBus(directory, Subscribers(redis, log))
        publishing = asyncio.create_task(bus.publish(ResourcesListChanged(), person.key))
        await asyncio.wait_for(has_begun.wait(), PATIENCE)
        publishing.cancel()
        asyncio.get_running_loop().call_soon(go.set)
        with pytest.raises(asyncio.CancelledError):
            await publishing
        assert await self.notified(redis, listening) == len(listening), "before it may disconnect"

    async def test_a_publisher_who_uses_all_of_their_share_of_redis_notifies_the_others(
        self,
        redis_server: str,
        redis: Redis,
        bus: Bus,
        person: Person,
        listening: list[str],
        settings: Any,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        settings.MCP_REDIS_CONNECTIONS = 2 * PARTS
        settings.MCP_REDIS_TIMEOUT_SECONDS = 0.2
        async with connect(redis_server) as client, AsyncExitStack() as stack:
            directory = Directory(client, bus)
            publisher = SharedSubscriptionBus(directory, Subscribers(client, EventLog(client, directory)))
            with share_of("the publisher"):
                for _ in range(2):
                    connection = await client.connection_pool.get_connection()
                    stack.push_async_callback(client.connection_pool.release, connection)
                await publisher.publish(ResourcesListChanged(), person.key)
        assert await self.notified(redis, listening) == len(listening), caplog.text
