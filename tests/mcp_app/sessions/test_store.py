"""The session record, its lifetimes, and the copies that processes keep of it."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.conf import conf
from mcp_app.coordination import bus as bus_module
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import connect
from mcp_app.protocol.session_features import MAX_URI_BYTES, MAX_URI_LENGTH
from mcp_app.sessions import keys
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.session_quota import TooManySessions
from mcp_app.sessions.store import (
    SESSION_ENDED,
    RequestSession,
    SessionStore,
    TooManySubscriptions,
)
from tests.support.parts import make_record
from tests.support.redis_relay import RedisRelay
from tests.support.waiting import eventually


class SlowRedis:
    """A Redis that executes reads immediately, but replies only when released."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.has_read: list[asyncio.Event] = []
        self.let_go: list[asyncio.Event] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)

    def register_script(self, script: str) -> Any:
        run = self._redis.register_script(script)
        if "HGETALL" not in script:
            return run  # it changes something, and reads nothing

        async def run_slowly(**options: Any) -> Any:
            answer = await run(**options)
            read, go = asyncio.Event(), asyncio.Event()
            self.has_read.append(read)
            self.let_go.append(go)
            read.set()
            await go.wait()
            return answer

        return run_slowly


class WaitsToLook:
    """A Redis whose client waits before it looks at an index of sessions."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.looks, self.may_look = asyncio.Event(), asyncio.Event()
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)

    async def zrange(self, *args: Any, **options: Any) -> Any:
        self.looks.set()
        self.count += 1
        await self.may_look.wait()
        return await self._redis.zrange(*args, **options)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes wait for other processes for long, as on a busy machine they take long to acknowledge."""
    monkeypatch.setattr(bus_module, "_CONFIRM_SECONDS", 60.0)


def test_a_session_id_is_visible_ascii_and_never_the_same() -> None:
    ids = {SessionStore.new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(id) >= 32 and all("!" <= letter <= "~" for letter in id) for id in ids)


async def test_another_process_reads_what_was_stored(redis: Redis, bus: Bus, record: SessionRecord) -> None:
    assert await SessionStore(redis, bus).get(record.id) == record


async def test_an_unknown_session_is_none(store: SessionStore) -> None:
    assert await store.get("unknown") is None


async def test_a_record_lives_to_its_maximum_age_and_is_in_use_for_the_idle_time(
    store: SessionStore, redis: Redis, settings: Any
) -> None:
    settings.MCP_SESSION_IDLE_SECONDS = 77
    settings.MCP_SESSION_MAX_SECONDS = 1000
    record = make_record()
    await store.create(record)
    assert 990 <= await redis.ttl(keys.record(record.id)) <= 1000
    assert 75 <= await redis.ttl(keys.owner(record.id)) <= 77
    assert await redis.get(keys.owner(record.id)) == record.owner


async def test_an_idle_session_keeps_only_its_record_and_continues_with_it(
    store: SessionStore, redis: Redis, record: SessionRecord
) -> None:
    await RequestSession(store, record).set_log_level("error")
    await RequestSession(store, record).subscribe("test://a")
    for key in (*keys.renewed_by_use(record.id), keys.copies(record.id)):
        await redis.delete(key)
    assert len([key async for key in redis.scan_iter(f"*{record.id}*")]) == 1
    size = await redis.memory_usage(keys.record(record.id))
    assert size is not None
    assert size < 2048
    seen = await store.renew(record.id)
    assert seen is not None
    assert seen.log_level == "error"
    assert seen.subscriptions == {"test://a"}
    assert await redis.get(keys.owner(record.id)) == record.owner, "it is in use again"
    assert 0 < await redis.ttl(keys.owner(record.id)) <= 300


class TestQuota:
    """How many sessions a user may have, counted over all processes."""

    @pytest.fixture(autouse=True)
    def limit(self, settings: Any) -> None:
        settings.MCP_MAX_SESSIONS = 3

    @pytest.fixture
    def begin(self) -> Callable[..., SessionRecord]:
        person = secrets.token_hex(4)
        began_at = time.time() - 1000

        def begin(client: str = "client") -> SessionRecord:
            nonlocal began_at
            began_at += 1
            return make_record(owner=json.dumps([client, None, person]), created_at=began_at)

        return begin

    async def test_the_oldest_idle_session_ends_for_a_new_one(
        self, store: SessionStore, redis: Redis, begin: Callable[..., SessionRecord]
    ) -> None:
        records = [begin() for _ in range(3)]
        for record in records:
            await store.create(record)
        await redis.delete(keys.owner(records[1].id), keys.owner(records[2].id))  # they are idle
        await store.create(newest := begin("another client"))
        lives = [await store.get(record.id) is not None for record in (*records, newest)]
        assert lives == [True, False, True, True]

    async def test_sessions_that_are_opened_at_once_end_no_more_idle_ones_than_they_need(
        self, redis: Redis, bus: Bus, begin: Callable[..., SessionRecord], settings: Any
    ) -> None:
        settings.MCP_MAX_SESSIONS = 6
        store = SessionStore(redis, bus)
        for _ in range(6):
            await store.create(idle := begin())
            await redis.delete(keys.owner(idle.id))
        index = keys.sessions_of(idle.owner)
        counted = [WaitsToLook(redis) for _ in range(3)]
        stores = [SessionStore(cast(Redis, one), bus) for one in counted]
        opening = [asyncio.create_task(store.create(begin())) for store in stores]
        await eventually(lambda: all(one.looks.is_set() for one in counted))
        assert await redis.zcard(index) == 9
        for one, task in zip(counted, opening, strict=True):
            one.may_look.set()
            await task
        assert await redis.zcard(index) == 6

    @pytest.fixture
    def portions(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The sizes of all pipelines that are run."""
        sizes: list[int] = []
        execute = Pipeline.execute

        async def counting(pipe: Pipeline, *args: Any, **options: Any) -> Any:
            sizes.append(len(pipe))
            return await execute(pipe, *args, **options)

        monkeypatch.setattr(Pipeline, "execute", counting)
        return sizes

    async def test_many_sessions_are_looked_at_in_portions(
        self, store: SessionStore, redis: Redis, begin: Callable[..., SessionRecord], portions: list[int]
    ) -> None:
        record = begin()
        index = keys.sessions_of(record.owner)
        await redis.zadd(index, {f"lost-{n}": time.time() - 900 for n in range(600)})
        await store.create(record)
        assert max(portions) <= 100
        assert await redis.zcard(index) == 1, "what did not exist was removed"

    async def test_of_many_idle_sessions_only_the_oldest_are_looked_at(
        self,
        store: SessionStore,
        redis: Redis,
        begin: Callable[..., SessionRecord],
        portions: list[int],
        settings: Any,
    ) -> None:
        settings.MCP_MAX_SESSIONS = 400
        record = begin()
        idle = {f"{record.id}-{n}": record.created_at - 1000 + n for n in range(400)}
        await redis.zadd(keys.sessions_of(record.owner), idle)
        async with redis.pipeline(transaction=False) as pipe:
            for session_id in idle:
                pipe.set(keys.record(session_id), "", ex=60)
            await pipe.execute()
        portions.clear()
        await store.create(record)
        assert 100 <= sum(portions) < 200
        assert await redis.exists(*map(keys.record, idle)) == 399
        assert not await redis.exists(keys.record(min(idle, key=idle.__getitem__)))

    async def test_a_refusal_is_remembered_so_that_the_next_costs_one_command(
        self, relay: RedisRelay, bus: Bus, begin: Callable[..., SessionRecord]
    ) -> None:
        async with connect(relay.url) as relayed:
            store = SessionStore(relayed, bus)
            records = [begin() for _ in range(3)]
            for record in records:
                await store.create(record)
            with pytest.raises(TooManySessions):
                await store.create(begin())
            before = relay.sent
            for _ in range(5):
                with pytest.raises(TooManySessions):
                    await store.create(begin())
            assert relay.sent == before + 5
            await store.end(records[0].id)
            await store.create(newest := begin())
            assert await store.get(newest.id) == newest, "a session that was ended has made room at once"

    async def test_of_many_concurrent_refusals_only_one_has_looked(
        self, redis: Redis, bus: Bus, begin: Callable[..., SessionRecord]
    ) -> None:
        looks = WaitsToLook(redis)
        looks.may_look.set()
        store = SessionStore(looks, bus)  # type: ignore[arg-type]
        for _ in range(3):
            await store.create(begin())
        outcomes = await asyncio.gather(*(store.create(begin()) for _ in range(10)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [TooManySessions] * 10
        assert looks.count == 1
        assert await redis.zcard(keys.sessions_of(begin().owner)) == 3

    async def test_when_all_sessions_are_in_use_a_new_one_is_refused_and_leaves_nothing(
        self, store: SessionStore, redis: Redis, begin: Callable[..., SessionRecord]
    ) -> None:
        records = [begin() for _ in range(3)]
        for record in records:
            await store.create(record)
        refused = begin()
        with pytest.raises(TooManySessions):
            await store.create(refused)
        assert [key async for key in redis.scan_iter(f"*{refused.id}*")] == []
        assert await redis.zcard(keys.sessions_of(refused.owner)) == 3
        assert all([await store.get(record.id) for record in records])

    async def test_another_user_is_not_affected(
        self, store: SessionStore, begin: Callable[..., SessionRecord]
    ) -> None:
        for _ in range(3):
            await store.create(begin())
        await store.create(make_record(owner='["client","https://other.example","alice"]'))

    async def test_an_ended_session_makes_room(
        self, store: SessionStore, begin: Callable[..., SessionRecord]
    ) -> None:
        for _ in range(6):
            await store.create(record := begin())
            await store.end(record.id)
        for _ in range(3):
            await store.create(begin())

    async def test_a_lost_session_makes_room(
        self, store: SessionStore, redis: Redis, begin: Callable[..., SessionRecord]
    ) -> None:
        for _ in range(5):
            await store.create(record := begin())
            await redis.delete(*keys.of_session(record.id))  # as when its absolute age has come

    async def test_many_concurrent_starts_at_two_processes_do_not_exceed_the_limit(
        self, store: SessionStore, redis: Redis, bus: Bus, begin: Callable[..., SessionRecord]
    ) -> None:
        elsewhere = SessionStore(redis, bus)
        records = [replace(begin(), created_at=time.time()) for _ in range(8)]
        outcomes = await asyncio.gather(
            *((store, elsewhere)[n % 2].create(record) for n, record in enumerate(records)),
            return_exceptions=True,
        )
        refused = sum(isinstance(outcome, TooManySessions) for outcome in outcomes)
        stored = sum([await redis.exists(keys.record(record.id)) for record in records])
        assert stored <= 3
        assert stored + refused == 8

    async def test_the_count_expires(
        self, store: SessionStore, redis: Redis, begin: Callable[..., SessionRecord]
    ) -> None:
        await store.create(record := begin())
        assert 0 < await redis.ttl(keys.sessions_of(record.owner)) <= conf.session_max_seconds


async def test_no_session_outlives_its_maximum_age(store: SessionStore, redis: Redis, settings: Any) -> None:
    settings.MCP_SESSION_MAX_SECONDS = 100
    record = make_record(created_at=time.time() - 60)
    await store.create(record)
    assert await store.renew(record.id) is not None
    assert await redis.ttl(keys.record(record.id)) <= 40


async def test_a_session_past_its_maximum_age_is_gone_and_leaves_nothing(
    store: SessionStore, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_SESSION_MAX_SECONDS = 0
    assert await store.renew(record.id) is None
    assert not await redis.exists(*keys.of_session(record.id))
    settings.MCP_SESSION_MAX_SECONDS = 100
    assert await store.get(record.id) is None


async def test_reading_a_session_renews_all_that_belongs_to_it(
    store: SessionStore, redis: Redis, record: SessionRecord
) -> None:
    renewed = [keys.owner, keys.events, keys.tails, keys.pending, keys.calls, keys.asked]
    for key in renewed[1:]:
        await redis.set(key(record.id), "something")
    for key in renewed:
        await redis.expire(key(record.id), 5)
    await store.renew(record.id)
    assert [await redis.ttl(key(record.id)) > 5 for key in renewed] == [True] * 6


async def test_renewing_the_sessions_of_running_calls_makes_no_copies_of_their_records(
    redis: Redis, open_bus: Callable[[], Awaitable[Bus]], record: SessionRecord
) -> None:
    bus = await open_bus()
    elsewhere = SessionStore(redis, bus)
    for key in (keys.owner(record.id), keys.events(record.id)):
        await redis.set(key, "something", ex=5)
    assert await elsewhere.renew_all([record.id]) == []
    assert await redis.zscore(keys.copies(record.id), bus.address) is None
    assert await redis.ttl(keys.owner(record.id)) > 5
    assert await redis.ttl(keys.events(record.id)) > 5
    assert await redis.get(keys.owner(record.id)) == record.owner


async def test_looking_up_an_ended_session_caches_nothing(
    store: SessionStore, redis: Redis, record: SessionRecord
) -> None:
    await redis.set(keys.events(record.id), "something", ex=5)
    await redis.delete(keys.record(record.id))
    assert await store.renew(record.id) is None
    assert await redis.ttl(keys.events(record.id)) <= 5


async def test_the_data_of_a_session_does_not_outlive_its_maximum_age(
    store: SessionStore, redis: Redis, record: SessionRecord
) -> None:
    await redis.set(keys.events(record.id), "something")
    await redis.expire(keys.record(record.id), 5)
    await store.renew(record.id)
    assert [await redis.ttl(key(record.id)) <= 5 for key in (keys.owner, keys.events)] == [True, True]


async def test_reading_a_session_costs_one_round_trip(
    redis: Redis, relay: RedisRelay, bus: Bus, record: SessionRecord
) -> None:
    relayed = connect(relay.url)
    store = SessionStore(relayed, bus)
    await store.renew(record.id)  # connects
    before = relay.sent
    assert await store.renew(record.id) == record
    assert relay.sent == before + 1
    await relayed.aclose()


async def test_reading_a_session_does_not_renew_the_claim_of_a_listener(
    store: SessionStore, redis: Redis, record: SessionRecord
) -> None:
    # Its holder renews it. If it died, another one must succeed it, however busy the session is.
    await redis.set(keys.claim(record.id), "g1", ex=5)
    await store.renew(record.id)
    assert await redis.ttl(keys.claim(record.id)) <= 5


async def test_a_fresh_copy_needs_no_redis(store: SessionStore, redis: Redis, record: SessionRecord) -> None:
    await redis.delete(keys.record(record.id))
    assert await store.get(record.id) == record


async def test_a_session_in_use_is_read_before_its_copy_is_stale_which_renews_what_it_holds(
    store: SessionStore, redis: Redis, record: SessionRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    await redis.expire(keys.owner(record.id), 5)
    later = time.monotonic() + conf.cache_seconds * 0.97
    monkeypatch.setattr("mcp_app.coordination.cache.time", SimpleNamespace(monotonic=lambda: later))
    assert await store.get(record.id) == record

    async def is_renewed() -> bool:
        return await redis.ttl(keys.owner(record.id)) > 5

    await eventually(is_renewed)


async def test_a_stale_copy_is_read_again(
    store: SessionStore, redis: Redis, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_CACHE_SECONDS = 0.0
    await redis.delete(keys.record(record.id))
    assert await store.get(record.id) is None


async def test_the_number_of_copies_is_limited(store: SessionStore, redis: Redis, settings: Any) -> None:
    settings.MCP_CACHE_ENTRIES = 3
    records = [make_record() for _ in range(5)]
    for record in records:
        await store.create(record)
        await redis.delete(keys.record(record.id))
    assert [await store.get(record.id) is not None for record in records] == [False] * 2 + [True] * 3


async def test_a_change_is_seen_by_the_other_process_immediately(
    patient: None,
    store: SessionStore,
    redis: Redis,
    open_bus: Callable[[], Awaitable[Bus]],
    record: SessionRecord,
) -> None:
    elsewhere = SessionStore(redis, await open_bus())
    assert await elsewhere.get(record.id) == record
    await RequestSession(store, record).set_log_level("error")
    await RequestSession(store, record).subscribe("test://a")
    await RequestSession(store, record).subscribe("test://b")
    await RequestSession(store, record).unsubscribe("test://a")
    seen = await elsewhere.get(record.id)
    assert seen is not None
    assert seen.log_level == "error"
    assert seen.subscriptions == {"test://b"}


async def test_the_process_that_ends_a_session_knows_it_immediately(
    store: SessionStore, redis: Redis, record: SessionRecord
) -> None:
    await store.end(record.id)
    assert await store.get(record.id) is None
    assert not await redis.exists(*keys.of_session(record.id))


async def test_the_other_process_knows_immediately_that_a_session_has_ended(
    patient: None,
    store: SessionStore,
    redis: Redis,
    open_bus: Callable[[], Awaitable[Bus]],
    record: SessionRecord,
) -> None:
    bus = await open_bus()
    heard: list[str] = []
    bus.on(SESSION_ENDED, lambda message: heard.append(message["session"]))
    elsewhere = SessionStore(redis, bus)
    await elsewhere.get(record.id)
    await store.end(record.id)
    assert heard == [record.id]
    assert await elsewhere.get(record.id) is None


async def test_a_change_of_an_ended_session_leaves_nothing_behind(
    store: SessionStore, redis: Redis, record: SessionRecord
) -> None:
    await store.end(record.id)
    await RequestSession(store, record).set_log_level("error")
    await RequestSession(store, record).subscribe("test://a")
    assert not await redis.exists(*keys.of_session(record.id))


async def test_two_processes_can_subscribe_concurrently(
    store: SessionStore, redis: Redis, open_bus: Callable[[], Awaitable[Bus]], record: SessionRecord
) -> None:
    elsewhere = SessionStore(redis, await open_bus())
    await asyncio.gather(
        RequestSession(store, record).subscribe("test://a"),
        RequestSession(elsewhere, record).subscribe("test://b"),
    )
    seen = await store.renew(record.id)
    assert seen is not None
    assert seen.subscriptions == {"test://a", "test://b"}


async def test_subscriptions_are_bounded_and_a_second_one_to_the_same_counts_once(
    store: SessionStore, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_MAX_SUBSCRIPTIONS = 1
    await RequestSession(store, record).subscribe("test://a")
    full = await store.get(record.id)
    assert full is not None
    await RequestSession(store, full).subscribe("test://a")
    with pytest.raises(TooManySubscriptions):
        await RequestSession(store, full).subscribe("test://b")


async def test_the_uris_of_all_subscriptions_of_a_session_are_bounded(
    store: SessionStore, record: SessionRecord
) -> None:
    session = RequestSession(store, record)
    uris = [f"test://{n}/".ljust(MAX_URI_LENGTH, "x") for n in range(MAX_URI_BYTES // MAX_URI_LENGTH + 1)]
    outcomes = await asyncio.gather(*map(session.subscribe, uris), return_exceptions=True)
    assert any(isinstance(outcome, TooManySubscriptions) for outcome in outcomes)
    for uri in uris:
        await session.unsubscribe(uri)
    await session.subscribe(uris[-1])


async def test_concurrent_subscriptions_do_not_exceed_the_limit(
    store: SessionStore, record: SessionRecord, settings: Any
) -> None:
    settings.MCP_MAX_SUBSCRIPTIONS = 3
    session = RequestSession(store, record)
    outcomes = await asyncio.gather(
        *(session.subscribe(f"test://{n}") for n in range(10)), return_exceptions=True
    )
    assert sum(isinstance(outcome, TooManySubscriptions) for outcome in outcomes) == 7
    seen = await store.renew(record.id)
    assert seen is not None
    assert len(seen.subscriptions) == 3
    await session.unsubscribe(min(seen.subscriptions))
    await session.subscribe("test://another")


async def test_a_copy_that_was_being_read_when_a_change_arrived_is_not_kept(
    redis: Redis, bus: Bus, record: SessionRecord
) -> None:
    slow = SlowRedis(redis)
    store = SessionStore(slow, bus)  # type: ignore[arg-type]
    reading = asyncio.create_task(store.renew(record.id))
    await eventually(lambda: slow.has_read)
    await RequestSession(store, record).set_log_level("error")
    slow.let_go[0].set()
    await reading
    again = asyncio.create_task(store.get(record.id))
    await eventually(lambda: len(slow.let_go) == 2)
    slow.let_go[1].set()
    seen = await again
    assert seen is not None
    assert seen.log_level == "error"


async def test_an_old_copy_is_not_kept_because_of_a_newer_reader(
    redis: Redis, bus: Bus, record: SessionRecord
) -> None:
    slow = SlowRedis(redis)
    store = SessionStore(slow, bus)  # type: ignore[arg-type]
    old = asyncio.create_task(store.renew(record.id))
    await eventually(lambda: slow.has_read)
    await RequestSession(store, record).set_log_level("error")
    new = asyncio.create_task(store.renew(record.id))
    await eventually(lambda: len(slow.has_read) == 2)
    slow.let_go[0].set()
    await old
    slow.let_go[1].set()
    await new
    async with asyncio.timeout(1):
        seen = await store.get(record.id)  # a copy: this Redis would not answer
    assert seen is not None
    assert seen.log_level == "error"


async def test_the_session_of_a_request_shows_its_handler_the_level_that_it_set(
    store: SessionStore, record: SessionRecord
) -> None:
    session = RequestSession(store, record)
    await session.set_log_level("critical")
    assert session.record.log_level == "critical"
    assert (await store.get(record.id)) == session.record


@pytest.mark.parametrize(
    ("level", "severity", "admitted"),
    [
        (None, "debug", True),
        ("debug", "debug", True),
        ("warning", "notice", False),
        ("warning", "warning", True),
        ("warning", "emergency", True),
        ("emergency", "alert", False),
    ],
)
def test_log_messages_below_the_level_are_not_admitted(level: Any, severity: str, admitted: bool) -> None:
    record = make_record(log_level=level)
    assert record.allows("notifications/message", {"level": severity, "data": "x"}) is admitted
    assert record.allows("notifications/progress", {})


async def test_a_record_of_another_release_is_no_session_and_does_not_affect_others(
    store: SessionStore, redis: Redis, record: SessionRecord, caplog: pytest.LogCaptureFixture
) -> None:
    bad = f"bad-{record.id}"
    await redis.hset(keys.record(bad), mapping={"owner": record.owner, "format": "2"})
    for key in (keys.record(bad), keys.owner(record.id)):
        await redis.expire(key, 5)
    assert await store.get(bad) is None
    assert "session record cannot be read" in caplog.text
    assert await redis.exists(keys.record(bad)), "its own release still serves it"
    assert await store.renew_all([bad, "gone", record.id]) == ["gone"]
    assert await redis.ttl(keys.owner(record.id)) > 5
