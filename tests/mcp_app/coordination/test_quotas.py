"""Quotas: counted over all processes, leased in advance, and free again when a process dies."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from mcp_app.coordination import allowance, keys, quotas
from mcp_app.coordination.allowance import CHARGED_BYTES, SPARE_REQUESTS
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.cancellation import cancel_and_wait
from mcp_app.coordination.connection import connect
from mcp_app.coordination.limits import (
    CALLS,
    KINDS,
    MAX_WAIT_SECONDS,
    STREAMS,
    Kind,
    QuotaExceeded,
    TooManyWaiting,
)
from mcp_app.coordination.quotas import Quotas
from mcp_app.exceptions import Unavailable
from tests.support.processes import free_port
from tests.support.redis_relay import RedisRelay
from tests.support.waiting import eventually

Open = Callable[[], Awaitable[Bus]]

NO_TIME = 0.05


class Clock:
    """The time that a process sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.monotonic()
        for module in (quotas, allowance):
            monkeypatch.setattr(module, "time", self)

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def limits(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Low limits, and no patience with those who are past them."""
    settings.MCP_MAX_CALLS = settings.MCP_MAX_STREAMS = 3
    settings.MCP_REQUEST_RATE = 3
    settings.MCP_REQUEST_RATE_SECONDS = 1000.0
    monkeypatch.setattr(quotas, "RECLAIM_SECONDS", 0.2)
    monkeypatch.setattr(quotas, "PAUSE_SECONDS", NO_TIME)
    return settings


@pytest.fixture
async def person(redis: Redis) -> AsyncIterator[str]:
    person = "test-" + secrets.token_hex(8)
    yield person
    await redis.delete(keys.quota(person))


@pytest.fixture
def start(redis: Redis, open_bus: Open) -> Callable[[], Awaitable[Quotas]]:
    """Starts the quotas of one more process."""

    async def start() -> Quotas:
        return Quotas(redis, await open_bus())

    return start


@pytest.fixture
async def one(start: Callable[[], Awaitable[Quotas]]) -> Quotas:
    return await start()


@pytest.fixture
async def other(start: Callable[[], Awaitable[Quotas]]) -> Quotas:
    return await start()


async def take(at: Quotas, person: str, kind: Kind = CALLS, number: int = 1) -> None:
    await at.ensure(person, kind, number)
    for _ in range(number):
        at.use(person, kind)


async def leases(redis: Redis, person: str) -> dict[str, tuple[int, float]]:
    """The units that are leased and until when, by kind and process."""
    stored = cast("dict[str, str]", await redis.hgetall(keys.quota(person)))
    del stored["requests"]
    found = {field: value.split() for field, value in stored.items()}
    return {field: (int(units), float(until)) for field, (units, until) in found.items()}


async def units(redis: Redis, person: str) -> list[int]:
    """How many units are leased, for each kind and process."""
    return [number for number, _ in (await leases(redis, person)).values()]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_what_a_person_uses_is_counted_over_all_processes(
    one: Quotas, other: Quotas, person: str, kind: Kind
) -> None:
    await take(one, person, kind, 2)
    await take(other, person, kind)
    for process in (one, other):
        with pytest.raises(QuotaExceeded) as refused:
            await process.ensure(person, kind)
        assert (refused.value.setting, refused.value.limit) == (kind.setting.name, 3)
        assert kind.setting.name in str(refused.value)
    one.release(person, kind)
    await take(other, person, kind)


async def test_one_persons_use_leaves_another_persons_alone(one: Quotas, person: str) -> None:
    await take(one, person, CALLS, 3)
    await take(one, person, STREAMS, 3)
    neighbour = person + "-neighbour"
    await take(one, neighbour, CALLS, 3)
    one.release(neighbour, CALLS)
    with pytest.raises(QuotaExceeded):
        await one.ensure(person, CALLS)


async def test_more_than_all_that_is_left_is_refused_as_a_whole(one: Quotas, person: str) -> None:
    await take(one, person, CALLS, 2)
    with pytest.raises(QuotaExceeded):
        await one.ensure(person, CALLS, 2)
    await take(one, person, CALLS, 1)


async def test_what_one_process_has_to_spare_can_be_used_at_another(
    one: Quotas, other: Quotas, redis: Redis, person: str, limits: Any
) -> None:
    limits.MCP_MAX_CALLS = 20
    await take(one, person)
    assert max(await units(redis, person)) > 1, "there is nothing to spare"
    await take(other, person, CALLS, 19)
    with pytest.raises(QuotaExceeded):
        await one.ensure(person, CALLS)


async def test_a_unit_that_is_freed_elsewhere_meanwhile_is_waited_for(
    one: Quotas, other: Quotas, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "RECLAIM_SECONDS", 10.0)
    await take(one, person, STREAMS, 3)
    waiting = asyncio.create_task(take(other, person, STREAMS))
    await eventually(lambda: one._accounts[person].wanted_until > 0)
    assert not waiting.done()
    one.release(person, STREAMS)
    await asyncio.wait_for(waiting, 10)


async def test_no_number_of_requests_at_once_gets_past_the_limit(
    one: Quotas, other: Quotas, person: str, limits: Any
) -> None:
    limits.MCP_MAX_CALLS = 10
    taking = [take(process, person) for _ in range(10) for process in (one, other)]
    outcomes = await asyncio.gather(*taking, return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 10
    assert all(outcome is None or isinstance(outcome, QuotaExceeded) for outcome in outcomes)


async def test_what_was_leased_is_used_without_redis(
    relay: RedisRelay, open_bus: Open, person: str, limits: Any
) -> None:
    limits.MCP_MAX_CALLS, limits.MCP_REQUEST_RATE = 100, 1000
    redis = connect(relay.url)
    here = Quotas(redis, await open_bus())
    assert await here.count_requests(person)
    sent = relay.sent
    for _ in range(50):
        assert await here.count_requests(person)
        await take(here, person)
        here.release(person, CALLS)
    assert relay.sent == sent
    await redis.aclose()


async def test_a_lost_reply_takes_no_units(relay: RedisRelay, open_bus: Open, person: str) -> None:
    redis = connect(relay.url)
    here = Quotas(redis, await open_bus())
    await take(here, person)
    relay.lose_reply_to(b"EVALSHA")
    await take(here, person)
    assert relay.lost == 1
    await take(here, person)
    await redis.aclose()


async def test_what_is_in_use_is_renewed_and_the_rest_returned(
    one: Quotas, redis: Redis, person: str
) -> None:
    await take(one, person, CALLS, 2)
    one.release(person, CALLS)
    await redis.delete(keys.quota(person))  # as an outage may do
    await one.beat()
    assert await units(redis, person) == [1]


async def test_requests_of_one_person_that_wait_for_redis_delay_nobody_elses_renewal(
    one: Quotas, redis: Redis, person: str
) -> None:
    neighbour = person + "-neighbour"
    await take(one, person)
    await take(one, neighbour)
    asking = one._accounts[person].asking
    await asking.acquire()
    waiting = asyncio.create_task(asking.acquire())
    await asyncio.sleep(0)
    await redis.delete(keys.quota(neighbour))
    asking.release()  # but it is not free
    async with asyncio.timeout(10):
        await one.beat()
    await waiting
    assert await units(redis, neighbour) == [1]


async def test_what_is_leased_in_advance_is_renewed_while_its_person_is_active(
    one: Quotas, redis: Redis, person: str, limits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits.MCP_MAX_CALLS = 100
    clock = Clock(monkeypatch)
    await one.ensure(person, CALLS)
    clock.now += 6.0  # of the ten seconds of a lease
    await one.beat()
    clock.now += 6.0
    await redis.delete(keys.quota(person))
    await one.beat()
    assert await redis.exists(keys.quota(person)) == 0, "nobody was there meanwhile"
    await one.ensure(person, CALLS)
    assert await redis.exists(keys.quota(person)) == 0, "it was renewed six seconds ago"


async def test_nothing_is_remembered_of_a_person_who_has_gone(
    one: Quotas, redis: Redis, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await take(one, person)
    one.release(person, CALLS)
    clock = Clock(monkeypatch)
    for _ in range(2):
        clock.now += 60.0
        await one.beat()
    assert not one._accounts
    assert 0 < await redis.ttl(keys.quota(person)) <= 1000


async def test_what_a_process_held_that_died_is_free_after_the_time_of_a_lease(
    one: Quotas, other: Quotas, redis: Redis, person: str
) -> None:
    await take(one, person, CALLS, 3)
    with pytest.raises(QuotaExceeded):
        await other.ensure(person, CALLS)
    [(field, (held, until))] = (await leases(redis, person)).items()
    assert 0 < until - time.time() <= 10
    await redis.hset(keys.quota(person), field, f"{held} {time.time() - 1}")  # now it is over
    await take(other, person, CALLS, 3)
    assert len(await units(redis, person)) == 1


async def test_a_process_that_leaves_returns_everything(
    one: Quotas, other: Quotas, redis: Redis, person: str
) -> None:
    await take(one, person, CALLS, 2)
    await take(one, person, STREAMS, 2)
    await one.leave()
    assert await units(redis, person) == []
    one.release(person, CALLS)  # a call that ends late
    await take(other, person, CALLS, 3)


async def test_what_was_admitted_elsewhere_counts_and_is_never_refused(one: Quotas, person: str) -> None:
    await take(one, person, CALLS, 3)
    one.use(person, CALLS)
    one.release(person, CALLS)
    with pytest.raises(QuotaExceeded):
        await one.ensure(person, CALLS)
    one.release(person, CALLS)
    await one.ensure(person, CALLS)


async def test_another_kind_is_counted_by_itself(
    start: Callable[[], Awaitable[Quotas]], person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = Kind("third", CALLS.setting, "Too many: {limit} ({setting}).")
    monkeypatch.setattr(quotas, "KINDS", (*KINDS, third))
    one, other = await start(), await start()
    for kind in (third, STREAMS, CALLS):
        await take(one, person, kind, 2)
        await take(other, person, kind)
    for kind in (third, STREAMS, CALLS):
        with pytest.raises(QuotaExceeded):
            await one.ensure(person, kind)
    await one.leave()
    await take(other, person, third, 2)


async def test_more_than_the_limit_at_once_is_refused_without_asking(
    one: Quotas, redis: Redis, person: str
) -> None:
    with pytest.raises(QuotaExceeded):
        await one.ensure(person, CALLS, 4)
    assert not await redis.exists(keys.quota(person))


async def test_what_is_free_while_redis_is_asked_may_be_used(
    one: Quotas, other: Quotas, redis: Redis, person: str, limits: Any
) -> None:
    limits.MCP_MAX_CALLS = 20
    await take(one, person)
    beating = asyncio.create_task(one.beat())
    await asyncio.sleep(0)
    free = one._accounts[person].free(CALLS)
    assert free
    for _ in range(free):
        one.use(person, CALLS)
    await beating
    with pytest.raises(QuotaExceeded):
        await other.ensure(person, CALLS, 20 - free)
    await take(other, person, CALLS, 19 - free)


async def test_several_processes_get_what_one_has_to_spare(
    start: Callable[[], Awaitable[Quotas]], one: Quotas, person: str
) -> None:
    await take(one, person, STREAMS, 3)
    others = [await start() for _ in range(3)]
    waiting = [asyncio.create_task(take(each, person, STREAMS)) for each in others]
    await eventually(lambda: one._accounts[person].wanted_until > 0)
    for _ in range(3):
        one.release(person, STREAMS)
    await asyncio.gather(*waiting)


async def test_when_the_clock_of_redis_goes_back_nobody_is_locked_out(
    one: Quotas, other: Quotas, redis: Redis, person: str
) -> None:
    await take(other, person, CALLS, 3)
    in_an_hour = time.time() + 3600
    [field] = await leases(redis, person)
    await redis.hset(keys.quota(person), field, f"3 {in_an_hour}")
    await redis.hset(keys.quota(person), "requests", f"3 {in_an_hour}")
    assert [await one.count_requests(person) for _ in range(4)] == [True, True, True, False]
    with pytest.raises(QuotaExceeded):
        await one.ensure(person, CALLS)
    _, until = (await leases(redis, person))[field]
    assert until - time.time() <= 10


async def test_requests_are_counted_over_all_processes(one: Quotas, other: Quotas, person: str) -> None:
    found = [await process.count_requests(person) for process in (one, other, one, other, one, one)]
    assert found == [True, True, True, False, False, False]
    assert await other.count_requests(person + "-neighbour")


async def test_the_rate_refills_steadily(one: Quotas, redis: Redis, person: str) -> None:
    assert await one.count_requests(person, 3)
    a_third_ago = time.time() - 334
    await redis.hset(keys.quota(person), "requests", f"0 {a_third_ago}")
    assert [await one.count_requests(person) for _ in range(2)] == [True, False]


async def test_more_requests_than_the_rate_at_once_are_accepted_when_the_bucket_is_full(
    one: Quotas, person: str
) -> None:
    assert await one.count_requests(person, 5)
    assert not await one.count_requests(person)


async def test_requests_leased_for_a_while_lapse(
    one: Quotas, person: str, limits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits.MCP_REQUEST_RATE = 100
    clock = Clock(monkeypatch)
    await take(one, person)
    assert await one.count_requests(person)
    leased = one._accounts[person].requests
    assert leased
    clock.now += 60.0
    await one.ensure(person, STREAMS)
    assert one._accounts[person].requests < leased, "what had lapsed was added"
    for _ in range(2):
        await one.beat()
    assert one._accounts[person].requests == 0, "the person has only a call that runs"


async def test_a_batch_that_is_refused_leaves_what_is_left_to_single_requests(
    one: Quotas, person: str
) -> None:
    assert await one.count_requests(person)
    assert not await one.count_requests(person, 3)
    assert [await one.count_requests(person) for _ in range(3)] == [True, True, False]


async def test_without_a_rate_nothing_is_counted(one: Quotas, redis: Redis, person: str, limits: Any) -> None:
    limits.MCP_REQUEST_RATE = 0
    assert all([await one.count_requests(person) for _ in range(10)])
    assert not await redis.exists(keys.quota(person))


async def test_only_so_many_requests_of_a_person_wait(
    one: Quotas, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "MAX_PAUSED", 2)
    outcomes = await asyncio.gather(*(one.pause(person) for _ in range(3)), one.pause("a neighbour"))
    assert outcomes == [True, True, False, True]
    assert await one.pause(person)


async def test_an_outage_of_redis_refuses_nobody_below_the_limits(open_bus: Open, person: str) -> None:
    redis = connect(f"redis://127.0.0.1:{free_port()}")
    here = Quotas(redis, await open_bus())
    await take(here, person, CALLS, 3)
    assert all([await here.count_requests(person) for _ in range(10)])
    with pytest.raises(QuotaExceeded):
        await here.ensure(person, CALLS)
    here.release(person, CALLS)
    await here.ensure(person, CALLS)
    await redis.aclose()


@pytest.fixture
async def behind_relay(
    relay: RedisRelay, open_bus: Open, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Quotas]:
    """The quotas of a process that soon gives up waiting for a Redis that does not reply."""
    monkeypatch.setattr(quotas, "_ASK_SECONDS", NO_TIME)
    redis = connect(relay.url)
    yield Quotas(redis, await open_bus())
    await redis.aclose()


async def test_a_redis_that_hangs_refuses_nobody_below_the_limits(
    behind_relay: Quotas, relay: RedisRelay, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await take(behind_relay, person)
    behind_relay.release(person, CALLS)
    relay.stalls = True
    clock = Clock(monkeypatch)
    clock.now += 60.0  # so that nothing is leased any more
    behind_relay.use(person, CALLS)
    beating = asyncio.create_task(behind_relay.beat())
    await eventually(lambda: behind_relay._accounts[person].asking.locked())
    await behind_relay.ensure(person, CALLS)
    assert await behind_relay.count_requests(person)
    with pytest.raises(Unavailable):
        await beating
    sent = relay.sent
    with pytest.raises(Unavailable):
        await behind_relay.beat()
    await behind_relay.ensure(person, CALLS, 2)
    assert relay.sent == sent, "Redis was asked again at once"


async def test_a_redis_that_hangs_while_units_are_reclaimed_refuses_nobody(
    behind_relay: Quotas, other: Quotas, relay: RedisRelay, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await take(other, person, CALLS, 3)

    async def hang(*args: Any) -> None:
        relay.stalls = True
        await asyncio.Event().wait()

    monkeypatch.setattr(behind_relay._bus, "send_all", hang)
    await behind_relay.ensure(person, CALLS)


async def test_who_waits_too_long_for_requests_of_the_same_person_is_past_a_limit(
    behind_relay: Quotas, relay: RedisRelay, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "_ASK_SECONDS", 10.0)
    monkeypatch.setattr(quotas, "_QUEUE_SECONDS", NO_TIME)
    relay.stalls = True
    asking = asyncio.create_task(behind_relay.ensure(person, CALLS))
    await eventually(lambda: relay.sent)
    with pytest.raises(TooManyWaiting):
        await behind_relay.ensure(person, CALLS)
    await cancel_and_wait(asking)


async def test_who_waits_too_long_to_be_counted_owes_the_request(
    behind_relay: Quotas, relay: RedisRelay, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process was suspended, or Redis is slow: nobody is refused who may be within the rate."""
    monkeypatch.setattr(quotas, "_ASK_SECONDS", 10.0)
    monkeypatch.setattr(quotas, "_QUEUE_SECONDS", NO_TIME)
    relay.stalls = True
    asking = asyncio.create_task(behind_relay.ensure(person, CALLS))
    await eventually(lambda: relay.sent)
    assert not behind_relay.owes(person)
    assert await behind_relay.count_requests(person)
    assert behind_relay.owes(person)
    await cancel_and_wait(asking)


async def test_a_key_that_is_damaged_affects_only_its_person(one: Quotas, redis: Redis, person: str) -> None:
    await redis.set(keys.quota(person), "damage")
    await take(one, person, CALLS, 3)
    neighbour = person + "-neighbour"
    await take(one, neighbour)
    assert await units(redis, neighbour) == [1]


async def test_after_an_outage_what_is_in_use_counts_for_all_again(
    one: Quotas, other: Quotas, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one, "_local_until", time.monotonic() + 60)
    await take(one, person, CALLS, 3)
    monkeypatch.setattr(one, "_local_until", 0.0)
    await one.beat()
    with pytest.raises(QuotaExceeded):
        await other.ensure(person, CALLS)


async def test_a_person_past_a_limit_is_logged_once_in_a_while(one: Quotas, person: str) -> None:
    logged = [one.should_log(person, limit) for limit in ("A", "A", "B", "A")]
    assert logged == [True, False, True, False]
    assert one.should_log("a neighbour", "A")


async def test_each_64_kib_count_as_one_more_request(one: Quotas, other: Quotas, person: str) -> None:
    for _ in range(4):
        one.charge(person, CHARGED_BYTES // 2)
    assert await one.count_requests(person)
    assert not await one.count_requests(person)
    assert not await other.count_requests(person)
    assert await other.count_requests(person + "-neighbour")


async def test_bytes_past_the_rate_are_owed_and_paid_by_the_refill(
    one: Quotas, other: Quotas, redis: Redis, person: str
) -> None:
    assert await one.count_requests(person)
    assert not one.owes(person)
    one.charge(person, 10 * CHARGED_BYTES)
    assert one.owes(person)
    assert not await one.count_requests(person)
    assert not await other.count_requests(person)
    assert other.owes(person), "as Redis was told"
    level, since = (await cast(Any, redis.hget(keys.quota(person), "requests"))).split()
    assert round(float(level)) == 3 - 1 - 10
    assert await redis.ttl(keys.quota(person)) > 1000, "what is owed is not forgiven by an expiry"
    refilled_8 = float(since) - 8 * 1000 / 3
    await redis.hset(keys.quota(person), "requests", f"{level} {refilled_8}")
    for process in (one, other):
        process._accounts[person].exhausted_until = process._accounts[person].valid_until = 0.0
        assert not await process.count_requests(person)
        assert not process.owes(person), "it has none left, and owes nothing"


async def test_what_is_charged_reaches_redis_without_another_request(
    one: Quotas, other: Quotas, person: str
) -> None:
    assert await one.count_requests(person)
    one.charge(person, 3 * CHARGED_BYTES)
    await one.beat()
    assert not await other.count_requests(person)


async def test_what_is_owed_outlives_the_lease(
    one: Quotas, redis: Redis, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    assert await one.count_requests(person)
    one.charge(person, 5 * CHARGED_BYTES)
    clock.now += 1000.0
    assert not await one.count_requests(person)
    level, _ = (await cast(Any, redis.hget(keys.quota(person), "requests"))).split()
    assert round(float(level)) == 3 - 1 - 5


async def test_bytes_that_are_charged_while_redis_is_asked_are_kept(
    behind_relay: Quotas, relay: RedisRelay, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "_ASK_SECONDS", 10.0)
    relay.delay = NO_TIME
    asking = asyncio.create_task(behind_relay.count_requests(person))
    await eventually(lambda: behind_relay._accounts.get(person))
    behind_relay.charge(person, 7 * CHARGED_BYTES)
    assert not await asking
    assert behind_relay.owes(person)


async def test_without_a_rate_bytes_are_not_counted(one: Quotas, person: str, limits: Any) -> None:
    limits.MCP_REQUEST_RATE = 0
    one.charge(person, 1000 * CHARGED_BYTES)
    assert await one.count_requests(person)
    assert not one.owes(person)


async def test_what_was_used_past_the_limit_leaves_nothing_free_when_it_ends(
    one: Quotas, other: Quotas, person: str
) -> None:
    for _ in range(2):  # as when calls of a process that died run again
        await take(one, person, CALLS, 3)
        for _ in range(5):
            one.use(person, CALLS)
        with pytest.raises(QuotaExceeded):
            await one.ensure(person, CALLS)
        await one.beat()
        for _ in range(8):
            one.release(person, CALLS)
        assert one._accounts[person].free(CALLS) <= 3
    await take(other, person, CALLS, 3)
    with pytest.raises(QuotaExceeded):
        await one.ensure(person, CALLS)


async def test_while_more_is_used_than_the_limit_what_ends_makes_no_room(
    one: Quotas, other: Quotas, person: str
) -> None:
    await take(one, person, CALLS, 3)
    for _ in range(2):
        other.use(person, CALLS)
    await other.beat()
    other.release(person, CALLS)
    with pytest.raises(QuotaExceeded):
        await other.ensure(person, CALLS)
    one.release(person, CALLS)
    with pytest.raises(QuotaExceeded):
        await other.ensure(person, CALLS)
    one.release(person, CALLS)
    await take(other, person, CALLS)


async def test_what_ends_past_the_limit_is_returned_when_another_process_needs_it(
    one: Quotas, other: Quotas, person: str
) -> None:
    await take(one, person, CALLS, 2)
    for _ in range(2):
        other.use(person, CALLS)
    await other.beat()
    other.release(person, CALLS)
    one.release(person, CALLS)
    await one.beat()
    await take(one, person, CALLS)


async def seconds_pass(redis: Redis, person: str, seconds: float) -> None:
    """The bucket refills as in so many seconds."""
    level, since = (await cast(Any, redis.hget(keys.quota(person), "requests"))).split()
    await redis.hset(keys.quota(person), "requests", f"{level} {float(since) - seconds}")


@pytest.mark.parametrize(("number", "owed"), [(1, 0), (2, 0), (1, 5), (3, 2)])
async def test_who_waits_as_long_as_they_are_told_may_send_again_and_not_much_sooner(
    one: Quotas, redis: Redis, person: str, monkeypatch: pytest.MonkeyPatch, number: int, owed: int
) -> None:
    clock = Clock(monkeypatch)
    assert await one.count_requests(person, 3)
    one.charge(person, owed * CHARGED_BYTES)
    assert not await one.count_requests(person, number)
    told = one.rate_exceeded(person, number).retry_after
    for seconds, is_enough in ((told - 5, False), (5, True)):
        clock.now += seconds
        await seconds_pass(redis, person, seconds)
        assert await one.count_requests(person, number) is is_enough


async def test_bytes_that_redis_has_not_been_told_of_are_waited_for_as_well(one: Quotas, person: str) -> None:
    assert await one.count_requests(person, 3)
    assert not await one.count_requests(person)
    assert one.rate_exceeded(person).retry_after == math.ceil(1 * 1000 / 3)
    one.charge(person, 2 * CHARGED_BYTES)
    assert one.rate_exceeded(person).retry_after == math.ceil((1 + 2) * 1000 / 3)


async def test_nobody_is_told_to_wait_for_longer_than_an_hour_or_not_at_all(one: Quotas, person: str) -> None:
    assert one.rate_exceeded(person).retry_after == 1
    one.charge(person, 1000 * CHARGED_BYTES)
    assert one.rate_exceeded(person).retry_after == MAX_WAIT_SECONDS


async def level(redis: Redis, person: str) -> int:
    """How many requests Redis has left for a person."""
    found = (await cast(Any, redis.hget(keys.quota(person), "requests"))).split()
    return round(float(found[0]))


async def test_what_is_owed_is_not_told_again_when_no_reply_came_in_time(
    behind_relay: Quotas, relay: RedisRelay, redis: Redis, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "_LOCAL_SECONDS", 0.0)
    await take(behind_relay, person)
    assert await behind_relay.count_requests(person)
    behind_relay.charge(person, 10 * CHARGED_BYTES)
    for _ in range(3):
        relay.hang_from(b"EVALSHA")
        with pytest.raises(Unavailable):
            await behind_relay.beat()
        relay.delay = 0.0
    await behind_relay.beat()
    assert await level(redis, person) == 3 - 1 - 10


async def test_what_is_owed_is_not_told_again_when_its_request_was_cancelled(
    behind_relay: Quotas, relay: RedisRelay, redis: Redis, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a client disconnects while Redis is slow."""
    monkeypatch.setattr(quotas, "_ASK_SECONDS", 10.0)
    assert await behind_relay.count_requests(person)
    behind_relay.charge(person, 10 * CHARGED_BYTES)
    relay.hang_from(b"EVALSHA")
    asking = asyncio.create_task(behind_relay.count_requests(person))

    async def is_told() -> bool:
        return await level(redis, person) < 0

    await eventually(is_told)
    told = await level(redis, person)
    await cancel_and_wait(asking)
    relay.delay = 0.0
    await behind_relay.beat()
    assert await level(redis, person) == told


async def test_a_lost_reply_costs_its_person_requests_and_no_units(
    relay: RedisRelay, redis: Redis, open_bus: Open, person: str, limits: Any
) -> None:
    limits.MCP_MAX_CALLS, limits.MCP_REQUEST_RATE = 20, 10_000
    limits.MCP_REQUEST_RATE_SECONDS = 1e9
    client = connect(relay.url)
    here = Quotas(client, await open_bus())
    await take(here, person, CALLS, 5)
    before = await level(redis, person)
    here._accounts[person].requests = 0
    here.charge(person, 10 * CHARGED_BYTES)
    relay.lose_reply_to(b"EVALSHA")
    assert await here.count_requests(person)
    assert relay.lost == 1
    assert await units(redis, person) == [here._accounts[person].units[CALLS].leased]
    assert before - await level(redis, person) <= 2 * (10 + 1 + SPARE_REQUESTS)
    await client.aclose()


async def test_a_process_asks_redis_the_less_often_the_more_requests_a_person_may_send(
    redis: Redis, open_bus: Open, person: str, limits: Any
) -> None:
    limits.MCP_REQUEST_RATE, limits.MCP_REQUEST_RATE_SECONDS = 1_000_000, 1e9
    here = Quotas(redis, await open_bus())
    assert await here.count_requests(person)
    left = await level(redis, person)
    assert await here.count_requests(person, 9_000)
    assert await level(redis, person) == left
