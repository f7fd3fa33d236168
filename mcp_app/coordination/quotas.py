"""Quotas: how much one person may do at once, and how often, over all processes.

Redis has the counts, and each process leases a part of them in advance: units of what runs at once, and
requests out of the person's rate. It spends these without Redis, so a warm call needs none. What a process
holds is renewed by the heartbeat while it is used; that of a process that died expires.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.conf import conf
from mcp_app.coordination import keys
from mcp_app.coordination.allowance import SPARE_REQUESTS, Allowance
from mcp_app.coordination.bus import Bus, BusMessage
from mcp_app.coordination.cancellation import cancel_and_wait, raise_if_cancelled
from mcp_app.coordination.connection import PORTION, in_portions, portions
from mcp_app.coordination.limits import KINDS, Kind, QuotaExceeded, TooManyWaiting, too_many_requests
from mcp_app.coordination.quota_script import LEASE
from mcp_app.coordination.shares import share_of
from mcp_app.coordination.turns import turn
from mcp_app.exceptions import Store, Unavailable, Unreadable

RECLAIM = "quota.reclaim"

_ASK_SECONDS = 1.0
"""How long to wait for Redis before this process falls back to local counting."""

_LOCAL_SECONDS = 2.0
"""How long it counts locally before it asks Redis again."""

RECLAIM_SECONDS = 0.5
"""How long a request waits for a unit that another process has to spare, or that is just becoming free."""

_POLL_SECONDS = 0.01
"""The first pause before Redis is asked again meanwhile; each one is twice as long as the last."""

_RETURN_SECONDS = 0.02
"""How often a process looks for units to return while another one needs them."""

_QUEUE_SECONDS = 2.0
"""How long a request waits for others of the same person that ask Redis."""

PAUSE_SECONDS = 1.0
"""How long a request past the rate waits, on average, which slows down whoever repeats it at once."""

MAX_PAUSED = 500
"""How many requests of one person wait in a process. Their connections are open anyway."""

_LOG_SECONDS = 10.0
"""The interval between two log lines about one person and one limit."""


class _Units:
    """Units of one kind."""

    __slots__ = ("granted", "leased", "used")

    def __init__(self) -> None:
        self.used = 0
        """Those in use here, including those past the limit."""
        self.granted = 0
        """How many may be in use here without asking Redis."""
        self.leased = 0
        """What Redis counts for this process. Those in use past the limit are included, but not granted, so
        they are not free when they end."""


class _Account(Allowance):
    """What this process holds for one person."""

    def __init__(self, person: str) -> None:
        super().__init__()
        self.person = person
        self.units = {kind: _Units() for kind in KINDS}
        self.is_active = True
        """Whether it was used since the last beat."""
        self.asking = asyncio.Semaphore(1)
        """Taken while Redis is asked, as replies must not overtake each other. Unlike that of a lock,
        `locked` is also true while others wait for it."""
        self.reclaiming = asyncio.Semaphore(1)
        """Taken by the request for which units are reclaimed."""
        self.others: list[str] = []
        """The other processes that held units when Redis was last asked."""
        self.wanted_until = -math.inf
        """Until when this process should give up its spare units."""
        self.paused = 0
        self.logged_at: dict[str, float] = {}

    @property
    def is_in_use(self) -> bool:
        return bool(self.paused or any(units.used for units in self.units.values()))

    def free(self, kind: Kind) -> int:
        """How many more may be used without asking."""
        units = self.units[kind]
        free = units.granted - units.used
        return free if free > 0 and self.is_valid else 0

    def keep(self, kind: Kind, number: int) -> None:
        """Keep at most this many of those that are not in use."""
        units = self.units[kind]
        units.granted = min(units.granted, units.used + number)


class Quotas:
    """The quotas of the people who use this process. A person is any text that identifies one.

    `beat` is part of the heartbeat. While Redis is unavailable, each process counts locally, and does not
    limit the rate: an outage of Redis must not end what does not need it.
    """

    def __init__(self, redis: Redis, bus: Bus) -> None:
        self._redis = redis
        self._bus = bus
        self._accounts: dict[str, _Account] = {}
        self._local_until = -math.inf
        self._returning: dict[str, asyncio.Task[None]] = {}
        self._lease = redis.register_script(LEASE)
        bus.on(RECLAIM, self._on_reclaim)

    async def count_requests(self, person: str, number: int = 1) -> bool:
        """Count requests. Returns whether they are within the rate of the person, `MCP_REQUEST_RATE`.

        If Redis cannot be asked in time, because other requests of this person are waiting for it, these are
        owed.
        """
        account = self._accounts.get(person)
        if account is not None and account.spend(number):
            account.is_active = True
            return True
        if not conf.request_rate:
            return True
        account = self._account(person)
        try:
            async with turn(account.asking, _QUEUE_SECONDS):
                if account.spend(number):
                    return True
                if time.monotonic() < account.exhausted_until:
                    return False
                await self._ask(account, requests=number)
                return account.spend(number)
        except TooManyWaiting:  # for example, the process was suspended; the rate may be far from exceeded
            account.owe(number)
            return True

    def rate_exceeded(self, person: str, number: int = 1) -> QuotaExceeded:
        """The error for this many requests past the rate, with the time until they are within it."""
        return too_many_requests(self._account(person).seconds_until(number))

    def charge(self, person: str, size: int) -> None:
        """Count bytes for the rate, after the fact: those who owe requests wait before they get new ones."""
        (self._accounts.get(person) or self._account(person)).charge(size)

    def owes(self, person: str) -> bool:
        """Whether a person has been charged for more than their rate allows."""
        return self._account(person).owes

    async def pause(self, person: str) -> bool:
        """Wait because of the rate. Returns False at once if too many requests of the person wait already."""
        account = self._account(person)
        if account.paused >= MAX_PAUSED:
            return False
        account.paused += 1
        try:
            # Not all at the same moment, or they would come back as one.
            await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
        finally:
            account.paused -= 1
        return True

    async def ensure(self, person: str, kind: Kind, number: int = 1) -> None:
        """Make sure that this many more may be used. Call `use` without awaiting anything in between.

        Raises:
            QuotaExceeded: They would be more than the limit, over all processes.
            TooManyWaiting: Too many other requests of this person are waiting for Redis.
        """
        account = self._account(person)
        if account.free(kind) >= number:
            return
        if number <= kind.limit and (
            await self._obtain(account, kind, number) or await self._reclaim(account, kind, number)
        ):
            return
        raise kind.exceeded()

    def use(self, person: str, kind: Kind) -> None:
        """Count one more, even past the limit. Each `use` needs one `release`."""
        account = self._accounts.get(person) or self._account(person)
        account.units[kind].used += 1

    def release(self, person: str, kind: Kind) -> None:
        """Count one less."""
        account = self._accounts.get(person)
        if account is not None:  # it is None after `leave`
            account.units[kind].used -= 1

    def should_log(self, person: str, setting: str) -> bool:
        """Whether to log that a person is past a limit. Not each time, or the log would be the flood."""
        logged_at, now = self._account(person).logged_at, time.monotonic()
        if now - logged_at.get(setting, -math.inf) < _LOG_SECONDS:
            return False
        logged_at[setting] = now
        return True

    async def beat(self) -> None:
        """Renew what is in use, and forget people who have not been here for the time of a lease.

        Raises:
            Unavailable: Redis cannot be reached, or could not be a moment ago.
        """
        now, due = time.monotonic(), list[_Account]()
        if now < self._local_until:
            raise Unavailable(Store.SESSIONS, "quotas are counted by each process alone")
        soon = now + conf.lease_seconds / 2
        for account in list(self._accounts.values()):
            is_used = account.is_in_use or account.requests < 0
            if is_used or (account.is_active and account.valid_until < soon):
                due.append(account)
            elif now >= account.valid_until and not (account.is_active or account.asking.locked()):
                del self._accounts[account.person]
        for portion in portions(due, PORTION):  # none of these accounts can ask Redis meanwhile
            async with self._reaching():
                await self._renew(portion)

    async def leave(self) -> None:
        """Return everything, as this process ends."""
        for task in list(self._returning.values()):
            await cancel_and_wait(task)
        accounts, self._accounts = list(self._accounts.values()), {}
        fields = [f"{kind.name} {self._bus.address}" for kind in KINDS]
        with suppress(Unavailable):  # it expires
            await in_portions(
                self._redis, accounts, lambda pipe, each: pipe.hdel(keys.quota(each.person), *fields)
            )

    def _account(self, person: str) -> _Account:
        account = self._accounts.get(person)
        if account is None:
            account = self._accounts[person] = _Account(person)
        account.is_active = True
        return account

    @asynccontextmanager
    async def _reaching(self) -> AsyncIterator[None]:
        """A context for asking Redis. If there is no reply soon, this process counts locally for a while."""
        try:
            with share_of(None):  # or a person's own flood would make this process count locally
                async with asyncio.timeout(_ASK_SECONDS):
                    yield
        except (Unavailable, TimeoutError) as error:
            if not isinstance(error, Unreadable):
                self._local_until = time.monotonic() + _LOCAL_SECONDS
            raise Unavailable(Store.SESSIONS, error) from error

    async def _obtain(self, account: _Account, kind: Kind, number: int) -> bool:
        """Ask Redis for units, unless enough are free meanwhile. Returns whether enough are."""
        async with turn(account.asking, _QUEUE_SECONDS):
            if account.free(kind) < number:
                await self._ask(account, kind, number)
            return account.free(kind) >= number

    async def _ask(
        self, account: _Account, kind: Kind | None = None, number: int = 0, *, requests: int = 0
    ) -> None:
        """Ask Redis for more of something, in the turn of the account. Without a reply, count locally."""
        began = time.monotonic()
        try:
            if began >= self._local_until:
                args = self._arguments(account, kind, number, requests)
                async with self._reaching():
                    reply = await self._lease(keys=[keys.quota(account.person)], args=args)
                    raise_if_cancelled()
                self._apply(account, reply, began, requests)
                return
        except Unavailable:
            pass  # count locally
        finally:
            account.assume_told()  # without a reply, also if this was cancelled
        for each, units in account.units.items():
            units.granted = each.limit
        account.requests = max(account.requests, SPARE_REQUESTS)
        account.valid_until = time.monotonic() + _LOCAL_SECONDS

    def _arguments(
        self, account: _Account, kind: Kind | None = None, number: int = 0, requests: int = 0
    ) -> list[str | int | float]:
        is_wanted = time.monotonic() < account.wanted_until
        args: list[str | int | float] = [self._bus.address, conf.lease_seconds]
        args += account.arguments(requests, is_active=account.is_active)
        for each, units in account.units.items():
            # What is free here may be used before the reply arrives, so it is kept.
            free = account.free(each)
            needed = max(0, number - free) if each is kind else 0
            spare = 0 if is_wanted else max(0, each.spare - free)
            args += [each.name, each.limit, units.used + free, needed, spare]
        return args

    def _apply(self, account: _Account, reply: list[Any], began: float, needed: int = 0) -> None:
        given, wait, *rest = reply
        most = 2 * len(account.units)
        for units, leased, excess in zip(account.units.values(), rest[:most:2], rest[1:most:2], strict=True):
            units.leased, units.granted = leased, leased - excess
        account.others = rest[most:]
        account.apply(given, float(wait), needed)
        account.valid_until = began + conf.lease_seconds

    async def _renew(self, accounts: list[_Account]) -> None:
        began = time.monotonic()
        async with AsyncExitStack() as turns:
            free = [account for account in accounts if not account.asking.locked()]
            for account in free:
                await turns.enter_async_context(account.asking)  # this does not have to wait
                for kind in account.units:
                    account.keep(kind, account.free(kind) // 2)
                if not account.is_active:
                    account.requests = min(0, account.requests)
            try:
                for account, reply in await in_portions(self._redis, free, self._add_renewal):
                    if not isinstance(reply, Exception):
                        self._apply(account, reply, began)
            finally:
                for account in free:
                    account.assume_told()

    async def _add_renewal(self, pipe: Pipeline, account: _Account) -> None:
        await self._lease(keys=[keys.quota(account.person)], args=self._arguments(account), client=pipe)
        account.is_active = False

    async def _reclaim(self, account: _Account, kind: Kind, number: int) -> bool:
        """Have other processes return what they do not use, and wait until enough units are free.

        Returns whether they are.
        """
        message = {"type": RECLAIM, "person": account.person}
        until, pause = time.monotonic() + RECLAIM_SECONDS, _POLL_SECONDS
        with suppress(TooManyWaiting):  # then somebody else has waited here for as long
            async with turn(account.reclaiming, RECLAIM_SECONDS):
                with suppress(TimeoutError):
                    async with asyncio.timeout(RECLAIM_SECONDS):
                        await self._bus.send_all(account.others, message)
                while (left := until - time.monotonic()) > 0:
                    await asyncio.sleep(min(pause, left))
                    if await self._obtain(account, kind, number):
                        return True
                    pause *= 2
        return await self._obtain(account, kind, number)

    def _on_reclaim(self, message: BusMessage) -> None:
        account = self._accounts.get(message["person"])
        if account is None:
            return
        account.wanted_until = time.monotonic() + 2 * RECLAIM_SECONDS
        if account.person not in self._returning:
            task = self._returning[account.person] = asyncio.create_task(self._return(account))
            task.add_done_callback(lambda _: self._returning.pop(account.person))

    async def _return(self, account: _Account) -> None:
        """Return what is not in use, for as long as another process needs it."""
        while time.monotonic() < account.wanted_until:
            if any(units.leased > units.used for units in account.units.values()):
                with suppress(TooManyWaiting):  # it is tried again
                    async with turn(account.asking, _QUEUE_SECONDS):
                        for kind in account.units:
                            account.keep(kind, 0)
                        await self._ask(account)
            await asyncio.sleep(_RETURN_SECONDS)
