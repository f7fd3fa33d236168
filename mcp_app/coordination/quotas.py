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
from contextlib import AsyncExitStack, suppress
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.conf import conf
from mcp_app.coordination import keys
from mcp_app.coordination.bus import Bus, BusMessage
from mcp_app.coordination.cancellation import raise_if_cancelled
from mcp_app.coordination.connection import in_portions
from mcp_app.coordination.directory import DIRECTORY
from mcp_app.coordination.limits import CALLS, KINDS, Kind
from mcp_app.exceptions import RETRY_AFTER_SECONDS, Unavailable

RECLAIM = "quota.reclaim"
RETURNED = "quota.returned"

_SPARE_REQUESTS = 200
"""How many requests a process leases in advance, at most."""

_ASK_SECONDS = 1.0
"""How long to wait for Redis before this process counts alone."""

RECLAIM_SECONDS = 0.5
"""How long a request waits for a unit that another process has to spare, or that is just becoming free."""

_QUEUE_SECONDS = 2.0
"""How long a request waits for others of the same person that ask Redis or wait for a unit."""

_AGAIN_SECONDS = 0.25
"""How long Redis is not asked again for requests after it had none to give."""

PAUSE_SECONDS = 1.0
"""How long a request past the rate waits, on average, which slows down whoever repeats it at once."""

MAX_PAUSED = 500
"""How many requests of one person wait in a process. Their connections are open anyway."""

_LOG_SECONDS = 10.0
"""The interval between two log lines about one person and one limit."""

# Leases units to a process, which says how many it uses: it gets those that it needs, and some to spare,
# fewer the nearer the limit is. Saying it again changes nothing, so a lost reply does no harm. Requests are
# taken from a bucket that refills steadily. KEYS: quota. ARGV: address, seconds; rate, its seconds, requests
# needed and to spare; for each kind its name, limit, units used, needed and to spare. Returns requests, the
# seconds until there are enough, the units held of each kind, and the other processes.
_LEASE = (
    DIRECTORY
    + """
local address, seconds, time, others, taken = ARGV[1], tonumber(ARGV[2]), now(), {}, {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local kind, process = string.match(fields[i], '^(%l+) (.+)$')
  if kind then
    local units, till = string.match(fields[i + 1], '^(%d+) (.+)$')
    if tonumber(till) <= time then
      redis.call('HDEL', KEYS[1], fields[i])
    elseif process ~= address then
      taken[kind] = (taken[kind] or 0) + units
      others[process] = true
    end
  end
end
local function lease(kind, limit, used, needed, spare)
  local room = math.max(0, limit - used - (taken[kind] or 0))
  local granted = math.min(needed, room)
  local held = used + granted + math.min(spare, math.floor((room - granted) / 4))
  local field = kind .. ' ' .. address
  if held > 0 then
    redis.call('HSET', KEYS[1], field, held .. ' ' .. time + seconds)
  else
    redis.call('HDEL', KEYS[1], field)
  end
  return held
end
local function spend(rate, period, needed, spare)
  if rate == 0 then return 0, 0 end
  local level, given, enough = rate, 0, math.min(needed, rate)
  local last = redis.call('HGET', KEYS[1], 'requests')
  if last then
    local left, since = string.match(last, '^(%S+) (.+)$')
    level = math.min(rate, left + (time - since) * rate / period)
  end
  if level >= enough then given = math.max(needed, math.min(spare, math.floor(level / 4))) end
  level = level - given
  redis.call('HSET', KEYS[1], 'requests', level .. ' ' .. time)
  return given, math.max(0, enough - level) * period / rate
end
local n = {}
for i = 1, #ARGV do n[i] = tonumber(ARGV[i]) end
local given, wait = spend(n[3], n[4], n[5], n[6])
local answer = {given, tostring(wait)}
for i = 7, #ARGV, 5 do table.insert(answer, lease(ARGV[i], n[i + 1], n[i + 2], n[i + 3], n[i + 4])) end
redis.call('EXPIRE', KEYS[1], math.ceil(math.max(seconds, n[4])))
for process in pairs(others) do table.insert(answer, process) end
return answer
"""
)


class _Units:
    """Units of one kind: those in use here, and those that were granted, which include them."""

    __slots__ = ("held", "used")

    def __init__(self) -> None:
        self.used = 0
        self.held = 0


class _Account:
    """What this process holds for one person."""

    def __init__(self, person: str) -> None:
        self.person = person
        self.calls = _Units()
        self.streams = _Units()
        self.requests = 0
        self.valid_until = -math.inf
        """Until when what is not in use may be used."""
        self.exhausted_until = -math.inf
        """Until when Redis has no more requests."""
        self.is_active = True
        """Whether it was used since the last beat."""
        self.asking = asyncio.Lock()
        """Held while Redis is asked: answers must not overtake each other."""
        self.freed = asyncio.Event()
        """Set when a unit was freed, here or elsewhere."""
        self.others: list[str] = []
        """The other processes that held units when Redis was last asked."""
        self.wanted_by: str | None = None
        """The process that needs what is to spare here."""
        self.wanted_until = -math.inf
        self.paused = 0
        self.logged_at: dict[str, float] = {}

    def units(self, kind: Kind) -> _Units:
        return self.calls if kind is CALLS else self.streams

    def has(self, kind: Kind, number: int) -> bool:
        units = self.units(kind)
        return units.held - units.used >= number and time.monotonic() < self.valid_until

    def spend(self, number: int) -> bool:
        if self.requests < number or time.monotonic() >= self.valid_until:
            return False
        self.requests -= number
        return True

    @property
    def is_in_use(self) -> bool:
        return bool(self.calls.used or self.streams.used or self.paused)


class Quotas:
    """The quotas of those who use this process. A person is any text that identifies one.

    `beat` is part of the heartbeat. While Redis is unavailable, each process counts alone, and does not limit
    the rate: an outage of Redis must not end what does not need it.
    """

    def __init__(self, redis: Redis, bus: Bus) -> None:
        self._redis = redis
        self._bus = bus
        self._accounts: dict[str, _Account] = {}
        self._alone_until = -math.inf
        self._returning: set[asyncio.Task[None]] = set()
        self._lease = redis.register_script(_LEASE)
        bus.on(RECLAIM, self._on_reclaim)
        bus.on(RETURNED, self._on_returned)

    async def count_requests(self, person: str, number: int = 1) -> bool:
        """Count requests. Returns whether they are within the rate of the person, `MCP_REQUEST_RATE`."""
        account = self._accounts.get(person)
        # Written out, as every request passes here.
        if account is not None and account.requests >= number and time.monotonic() < account.valid_until:
            account.requests -= number
            account.is_active = True
            return True
        if not conf.request_rate:
            return True
        account = self._account(person)
        async with account.asking:
            if account.spend(number):
                return True
            if time.monotonic() < account.exhausted_until:
                return False
            await self._ask(account, requests=number)
            return account.spend(number)

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
        """Make sure that so many more may be used. Call `use` without awaiting anything in between.

        Raises:
            QuotaExceeded: They would be more than the limit, over all processes.
        """
        account = self._accounts.get(person) or self._account(person)
        account.is_active = True
        units = account.calls if kind is CALLS else account.streams
        if units.held - units.used >= number and time.monotonic() < account.valid_until:
            return
        try:
            async with asyncio.timeout(_QUEUE_SECONDS):
                await account.asking.acquire()
        except TimeoutError:
            raise kind.exceeded() from None
        try:
            if not account.has(kind, number):
                await self._ask(account, kind, number)
            if not account.has(kind, number):
                await self._reclaim(account, kind, number)
            if not account.has(kind, number):
                raise kind.exceeded()
        finally:
            account.asking.release()

    def use(self, person: str, kind: Kind) -> None:
        """Count one more, even past the limit. Each `use` needs one `release`."""
        account = self._accounts.get(person) or self._account(person)
        (account.calls if kind is CALLS else account.streams).used += 1

    def release(self, person: str, kind: Kind) -> None:
        """Count one less."""
        account = self._accounts.get(person)
        if account is None:
            return  # after `leave`
        (account.calls if kind is CALLS else account.streams).used -= 1
        if account.asking.locked():
            account.freed.set()
        if account.wanted_by is not None:
            self._return_soon(account)

    def should_log(self, person: str, setting: str) -> bool:
        """Whether to log that a person is past a limit. Not each time, or the log would be the flood."""
        logged_at, now = self._account(person).logged_at, time.monotonic()
        if now - logged_at.get(setting, -math.inf) < _LOG_SECONDS:
            return False
        logged_at[setting] = now
        return True

    async def beat(self) -> None:
        """Renew what is in use, and forget who has not been here for the time of a lease.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        began, renewed = time.monotonic(), list[_Account]()
        soon = began + conf.lease_seconds / 2
        for account in list(self._accounts.values()):
            if account.asking.locked():
                continue  # it is being renewed
            if account.is_in_use or (account.is_active and account.valid_until < soon):
                account.is_active = False
                renewed.append(account)
            elif began >= account.valid_until and not account.is_active:
                del self._accounts[account.person]
        async with AsyncExitStack() as stack:
            for account in renewed:
                await stack.enter_async_context(account.asking)
            for account, answer in await in_portions(self._redis, renewed, self._add_renewal):
                if not isinstance(answer, Exception):
                    self._apply(account, answer, began)

    async def leave(self) -> None:
        """Return everything, as this process ends."""
        for task in list(self._returning):
            task.cancel()
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

    async def _ask(
        self, account: _Account, kind: Kind | None = None, number: int = 0, *, requests: int = 0
    ) -> None:
        """Ask Redis for more of something, under the lock of the account."""
        began = time.monotonic()
        if began >= self._alone_until:
            args = self._arguments(account, kind, number, requests)
            try:
                async with asyncio.timeout(_ASK_SECONDS):
                    answer = await self._lease(keys=[keys.quota(account.person)], args=args)
            except (Unavailable, TimeoutError):
                self._alone_until = time.monotonic() + RETRY_AFTER_SECONDS
            else:
                raise_if_cancelled()
                self._apply(account, answer, began, requests)
                return
        for each in KINDS:
            account.units(each).held = each.limit
        account.requests = max(account.requests, _SPARE_REQUESTS)
        account.valid_until = self._alone_until

    def _arguments(
        self,
        account: _Account,
        kind: Kind | None = None,
        number: int = 0,
        requests: int = 0,
        *,
        spares: bool = True,
    ) -> list[str | int | float]:
        spare = max(0, _SPARE_REQUESTS - account.requests) if spares else 0
        args: list[str | int | float] = [self._bus.address, conf.lease_seconds]
        args += [conf.request_rate, conf.request_rate_seconds, requests, spare]
        for each in KINDS:
            needed = number if each is kind else 0
            args += [each.name, each.limit, account.units(each).used, needed, each.spare if spares else 0]
        return args

    def _apply(self, account: _Account, answer: list[Any], began: float, needed: int = 0) -> None:
        requests, wait, account.calls.held, account.streams.held, *account.others = answer
        account.requests += requests
        account.valid_until = began + conf.lease_seconds
        if requests < needed:
            account.exhausted_until = time.monotonic() + max(float(wait), _AGAIN_SECONDS)

    async def _reclaim(self, account: _Account, kind: Kind, number: int) -> None:
        """Ask other processes for units that they do not use, and wait until some are free, there or here."""
        account.freed.clear()
        message = {"type": RECLAIM, "person": account.person, "by": self._bus.address}
        await self._bus.send_all(account.others, message)
        with suppress(TimeoutError):
            async with asyncio.timeout(RECLAIM_SECONDS):
                while not account.has(kind, number):
                    await account.freed.wait()
                    account.freed.clear()
                    if not account.has(kind, number):
                        await self._ask(account, kind, number)

    def _on_reclaim(self, message: BusMessage) -> None:
        account = self._accounts.get(message["person"])
        if account is not None:
            account.wanted_by = message["by"]
            account.wanted_until = time.monotonic() + 2 * RECLAIM_SECONDS
            self._return_soon(account)

    def _return_soon(self, account: _Account) -> None:
        if time.monotonic() >= account.wanted_until:
            account.wanted_by = None
        elif any(account.units(kind).held > account.units(kind).used for kind in KINDS):
            task = asyncio.create_task(self._return(account))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)

    async def _return(self, account: _Account) -> None:
        """Return what is not in use, and tell the process that has asked for it."""
        async with account.asking:
            for kind in KINDS:
                units = account.units(kind)
                units.held = min(units.held, units.used)
            args = self._arguments(account, spares=False)
            with suppress(Unavailable):  # it expires
                await self._lease(keys=[keys.quota(account.person)], args=args)
        if account.wanted_by is not None:
            await self._bus.send(account.wanted_by, {"type": RETURNED, "person": account.person})

    def _on_returned(self, message: BusMessage) -> None:
        account = self._accounts.get(message["person"])
        if account is not None:
            account.freed.set()

    async def _add_renewal(self, pipe: Pipeline, account: _Account) -> None:
        await self._lease(keys=[keys.quota(account.person)], args=self._arguments(account), client=pipe)
