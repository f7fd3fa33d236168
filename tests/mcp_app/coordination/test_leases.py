"""Leases: held while their process is alive, lost once, and taken only by those that could reach Redis."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from mcp_app.conf import conf
from mcp_app.coordination import keys
from mcp_app.coordination import leases as module
from mcp_app.coordination.connection import connect
from mcp_app.coordination.leases import Fence, Lease, Leases
from mcp_app.exceptions import Store, Unavailable
from tests.support.asgi import PATIENCE
from tests.support.own_redis import own_redis
from tests.support.redis_relay import RedisRelay


class Clock:
    """The time that a process sees."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def here(redis: Redis, clock: Clock) -> Leases:
    return Leases(redis)


@pytest.fixture
async def name(redis: Redis) -> AsyncIterator[str]:
    name = "test-" + secrets.token_hex(8)
    yield name
    await redis.delete(keys.named_lease(name), keys.named_lease_token(name), f"fence:{{{name}}}")


@pytest.fixture
async def fence(redis: Redis, name: str) -> Fence:
    fence = Fence(f"fence:{{{name}}}", "run", "1")
    await redis.hset(fence.key, mapping={"run": "1", "another": "2"})
    return fence


async def _held(leases: Leases, name: str, fence: Fence | None = None, holder: str = "mine") -> Lease:
    lost: list[str] = []
    lease = Lease(keys.named_lease(name), holder, fence, on_lost=lambda: lost.append(name))
    assert await leases.take(lease.key, holder)
    leases.start_renewing(lease)
    return lease


async def beat_for_a_lease(leases: Leases, clock: Clock) -> None:
    for _ in range(5):
        await leases.beat()
        clock.now += conf.lease_seconds / 4


async def test_a_lease_is_held_by_one_at_a_time_and_free_afterwards(redis: Redis, name: str) -> None:
    here, there = Leases(redis), Leases(redis)
    async with here.try_hold(name) as mine:
        assert mine is not None
        assert await redis.get(keys.named_lease(name)) == mine.holder
        assert 0 < await redis.pttl(keys.named_lease(name)) <= here.milliseconds
        async with there.try_hold(name) as other:
            assert other is None
        assert await redis.exists(keys.named_lease(name)), "who did not get it must not release it"
    async with there.try_hold(name) as other:
        assert other is not None
        assert other.holder != mine.holder


async def token_of(leases: Leases, name: str) -> int:
    """The token of a lease that is held for a moment."""
    async with leases.try_hold(name) as lease:
        assert lease is not None
        return lease.token


async def test_each_holder_has_a_greater_token_than_all_before_it(redis: Redis, name: str) -> None:
    here, there = Leases(redis), Leases(redis)
    tokens = [await token_of(leases, name) for leases in (here, there, there, here)]
    assert tokens == sorted(set(tokens))
    assert 0 < tokens[-1] < 2**63


async def test_a_token_is_greater_although_the_clock_of_redis_was_set_back(
    redis: Redis, here: Leases, name: str
) -> None:
    tomorrow = await token_of(here, name) + 86_400_000_000
    await redis.set(keys.named_lease_token(name), tomorrow)
    assert [await token_of(here, name) for _ in range(2)] == [tomorrow + 1, tomorrow + 2]


async def test_a_token_is_greater_although_redis_has_lost_everything(
    redis: Redis, here: Leases, name: str
) -> None:
    earlier = await token_of(here, name)
    await redis.delete(keys.named_lease_token(name))
    assert await token_of(here, name) > earlier


async def test_who_takes_an_expired_lease_has_a_greater_token_than_its_holder_that_stood_still(
    redis: Redis, name: str
) -> None:
    async with Leases(redis).try_hold(name) as paused:
        await redis.delete(keys.named_lease(name))  # it expires
        async with Leases(redis).try_hold(name) as other:
            assert paused is not None
            assert other is not None
            assert other.token > paused.token


async def test_a_lease_is_held_even_if_the_reply_that_says_so_is_lost(
    relay: RedisRelay, redis: Redis, name: str
) -> None:
    async with connect(relay.url) as relayed:
        here = Leases(relayed)
        async with here.try_hold(name) as earlier:
            assert earlier is not None
        relay.lose_reply_to(keys.named_lease(name).encode())
        async with here.try_hold(name) as mine:
            assert relay.lost == 1
            assert mine is not None
            assert mine.token > earlier.token
            assert await redis.get(keys.named_lease(name)) == mine.holder


async def test_a_beat_renews_only_held_entries(redis: Redis, here: Leases, name: str) -> None:
    lease = await _held(here, name)
    await redis.pexpire(lease.key, 50)
    await here.beat()
    assert await redis.pttl(lease.key) > 50
    here.stop_renewing(lease)
    await redis.pexpire(lease.key, 50)
    await here.beat()
    assert await redis.pttl(lease.key) <= 50


async def test_a_lease_that_another_process_has_taken_is_lost_and_stays_there(
    redis: Redis, here: Leases, name: str
) -> None:
    async with here.try_hold(name) as mine:
        assert mine is not None
        await redis.set(keys.named_lease(name), "theirs", px=5000)  # they took it when it had expired
        await here.beat()
        assert mine.is_lost
    assert await redis.get(keys.named_lease(name)) == "theirs"


async def test_work_under_a_lease_is_cancelled_when_the_lease_is_lost(
    redis: Redis, here: Leases, name: str
) -> None:
    async def work() -> None:
        async with here.try_hold(name):
            await redis.set(keys.named_lease(name), "theirs", px=5000)  # they took it when it had expired
            await here.beat()
            await asyncio.Event().wait()

    with pytest.raises(Unavailable, match=f"the lease {name} was lost"):
        await asyncio.wait_for(work(), PATIENCE)
    assert await redis.get(keys.named_lease(name)) == "theirs"


async def test_an_error_of_work_under_a_lease_is_raised_unchanged(
    redis: Redis, here: Leases, name: str
) -> None:
    async def work() -> None:
        async with here.try_hold(name):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        await work()
    assert not await redis.exists(keys.named_lease(name))


async def test_an_expired_lease_is_taken_again_only_with_a_fence_that_still_stands(
    redis: Redis, here: Leases, name: str, fence: Fence
) -> None:
    plain = await _held(here, name)
    fenced = Lease(f"fenced:{{{name}}}", "mine", fence)
    settled = Lease(f"settled:{{{name}}}", "mine", Fence(fence.key, "run", "an earlier run"))
    gone = Lease(f"gone:{{{name}}}", "mine", Fence(fence.key, "no such field", ""))
    for lease in (fenced, settled, gone):
        here.start_renewing(lease)
    await redis.delete(plain.key)  # as in an outage
    await here.beat()
    assert [lease.is_lost for lease in (plain, fenced, settled, gone)] == [True, False, True, True]
    assert await redis.get(fenced.key) == "mine"
    assert not await redis.exists(plain.key, settled.key, gone.key)
    await redis.delete(fenced.key)


async def test_the_holder_of_a_lost_lease_is_notified_once(redis: Redis, here: Leases, name: str) -> None:
    lost: list[str] = []
    lease = Lease(keys.named_lease(name), "mine", on_lost=lambda: lost.append("once"))
    here.start_renewing(lease)
    for _ in range(2):
        await here.beat()
    assert lost == ["once"]


async def test_a_lease_that_cannot_be_renewed_does_not_affect_others(
    redis: Redis, here: Leases, name: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    bad = f"bad:{{{name}}}"
    await redis.rpush(bad, "of another release")
    await redis.expire(bad, 60)
    for number in range(2):
        here.start_renewing(Lease(bad, f"bad {number}"))
    good = [await _held(here, f"{name}-{number}") for number in range(2)]
    here.start_renewing(Lease(bad, "bad again"))
    for lease in good:
        await redis.pexpire(lease.key, 50)
    await beat_for_a_lease(here, clock)
    assert [await redis.pttl(lease.key) > 50 for lease in good] == [True, True]
    assert here.can_detect_death
    assert "WRONGTYPE" in str([vars(record).get("reason") for record in caplog.records])
    await redis.delete(bad, *(lease.key for lease in good))


@pytest.mark.slow
@pytest.mark.parametrize("state", ["full", "read-only"])
async def test_a_redis_that_refuses_to_renew_is_an_outage_and_no_damage(
    state: str, name: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with own_redis() as server, server.client() as operator:
        async with connect(server.url) as redis:
            here = Leases(redis)
            leases = [await _held(here, f"{name}-{number}") for number in range(2)]
            await beat_for_a_lease(here, clock)
            assert here.can_detect_death
            if state == "full":
                operator.config_set("maxmemory", "1")
            else:
                operator.replicaof("127.0.0.1", "1")
            with pytest.raises(Unavailable):
                await here.beat()
            assert not here.can_detect_death  # all leases expire
            assert not any(lease.is_lost for lease in leases)
            assert not [line for line in caplog.records if line.getMessage() == "lease not renewed"]


async def test_many_leases_are_renewed_in_few_round_trips(
    redis: Redis, here: Leases, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [await _held(here, f"{name}-{number}") for number in range(30)]
    monkeypatch.setattr("mcp_app.coordination.connection.PORTION", 12)
    for lease in held:
        await redis.pexpire(lease.key, 500)
    await here.beat()
    assert all([await redis.pttl(lease.key) > 500 for lease in held])
    await redis.delete(*(lease.key for lease in held))


async def test_a_process_that_could_always_reach_redis_decides(
    here: Leases, clock: Clock, settings: Any
) -> None:
    settings.MCP_LEASE_SECONDS = 10.0
    await beat_for_a_lease(here, clock)
    for _ in range(5):
        await here.beat()
        clock.now += 3.0
        assert here.can_detect_death


async def test_a_new_process_gives_the_others_the_time_of_a_lease_as_it_may_have_started_after_an_outage(
    here: Leases, clock: Clock, settings: Any
) -> None:
    settings.MCP_LEASE_SECONDS = 10.0
    assert not here.can_detect_death
    clock.now += 60.0
    assert not here.can_detect_death, "it has not reached Redis yet"
    await here.beat()
    clock.now += 9.0
    assert not here.can_detect_death
    await here.beat()
    clock.now += 1.0
    assert here.can_detect_death


async def test_after_an_outage_live_processes_get_the_time_of_a_lease(
    here: Leases, clock: Clock, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MCP_LEASE_SECONDS = 10.0

    async def fail() -> None:
        raise Unavailable(Store.SESSIONS, "down")

    await here.beat()
    with monkeypatch.context() as patched:
        patched.setattr(here._redis, "ping", fail)
        with pytest.raises(Unavailable):
            await here.beat()
    assert not here.can_detect_death
    clock.now += 1.0
    await here.beat()
    for _ in range(3):
        assert not here.can_detect_death
        clock.now += 3.0
        await here.beat()
    clock.now += 1.0
    assert here.can_detect_death


async def test_a_stalled_process_considers_nobody_dead_until_the_others_had_their_time(
    here: Leases, clock: Clock, settings: Any
) -> None:
    settings.MCP_LEASE_SECONDS = 10.0
    await here.beat()
    clock.now += 11.0  # all of them stood still, as when a machine is paused
    assert not here.can_detect_death
    await here.beat()
    assert not here.can_detect_death
    for _ in range(4):
        clock.now += 3.0
        await here.beat()
    assert here.can_detect_death
