"""Leases: locks in Redis that expire when their process dies, so that others can take over."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.conf import conf
from mcp_app.coordination import keys
from mcp_app.coordination.connection import in_portions
from mcp_app.exceptions import Store, Unavailable

logger = logging.getLogger(__name__)

# Renews a lease, unless another holder has taken it. An expired lease is taken again only if its fence shows
# that the work still belongs to this holder. KEYS: lease[, fence]. ARGV: holder, milliseconds[, field,
# prefix].
_RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if KEYS[2] then
  local value = redis.call('HGET', KEYS[2], ARGV[3])
  if not value or string.sub(value, 1, #ARGV[4]) ~= ARGV[4] then return 0 end
elseif not holder then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# Takes a named lease; if it is run again, because its reply was lost, it returns the same token. The token
# rises even if the clock of Redis is set back, or a failover loses the last milliseconds. KEYS: lease, fence.
# ARGV: holder, milliseconds, seconds that the last token is remembered.
_HOLD = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return tonumber(redis.call('GET', KEYS[2])) end
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
local time = redis.call('TIME')
local token = math.max(time[1] * 1000000 + time[2], (redis.call('GET', KEYS[2]) or 0) + 1)
redis.call('SET', KEYS[2], string.format('%.0f', token), 'EX', ARGV[3])
return token
"""

_TOKEN_SECONDS = 24 * 60 * 60
"""How long the last token is remembered; after that the clock suffices."""

RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
"""Releases a lease or a claim, if it is still this holder's. KEYS: lease. ARGV: holder."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A field of a hash, in the slot of the lease: the lease counts only while its value begins like this.

    So a holder that was paused does not renew a lease whose work another process has finished, or has taken
    over and then lost as well.
    """

    key: str
    field: str
    prefix: str


@dataclass(eq=False, slots=True)
class Lease:
    """A lease of this process.

    Attributes:
        key: Its Redis key.
        holder: Identifies who holds it. Writes under the lease can be conditional on it.
        fence: The record of the work that it protects.
        on_lost: Called once when another holder has taken it, or the work has ended.
        is_lost: Whether that has happened.
        token: Of a lease that `try_hold` took: a number greater than that of every earlier holder, with which
            writes under the lease can be fenced. 0 for other leases.
    """

    key: str
    holder: str
    fence: Fence | None = None
    on_lost: Callable[[], None] | None = None
    is_lost: bool = False
    token: int = 0


def new_holder() -> str:
    """A unique holder of leases; it begins with the name of this process, for people."""
    return f"{conf.process_name}.{secrets.token_hex(8)}"


class Leases:
    """The leases of this process, and whether those of others can be considered expired.

    `beat` is part of the heartbeat.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._renewed: set[Lease] = set()
        self._hold = redis.register_script(_HOLD)
        self._renew = redis.register_script(_RENEW)
        self._release = redis.register_script(RELEASE)
        self._reached_at = -math.inf
        """When the last beat succeeded."""
        self._detects_from = math.inf

    @property
    def milliseconds(self) -> int:
        """The lifetime of a lease that is not renewed, `MCP_LEASE_SECONDS`, in milliseconds."""
        return max(1, round(conf.lease_seconds * 1000))

    @property
    def can_detect_death(self) -> bool:
        """Whether an expired lease means that its holder died.

        Only if this process has reached Redis throughout, for at least the time of a lease: in an outage all
        leases expire, and afterwards the other processes get that time to renew theirs. The same applies
        after this process was paused, and after its first beat, as it may have started after an outage.
        """
        now = time.monotonic()
        return now >= self._detects_from and now - self._reached_at < conf.lease_seconds

    async def take(self, key: str, holder: str) -> bool:
        """Take a lease that nobody holds. Call `start_renewing` to keep it.

        Raises:
            Unavailable: It may have been taken nevertheless, and then expires. So may one for which this
                returns False, if the reply of Redis was lost.
        """
        return bool(await self._redis.set(key, holder, nx=True, px=self.milliseconds))

    def start_renewing(self, lease: Lease) -> None:
        """Renew a lease with every beat, until `stop_renewing` or until it is lost."""
        self._renewed.add(lease)

    def stop_renewing(self, lease: Lease) -> None:
        """Stop renewing a lease; it expires, unless it is released."""
        self._renewed.discard(lease)

    async def renew(self, leases: Iterable[Lease]) -> None:
        """Renew these leases. One whose key is damaged does not affect the others.

        Raises:
            Unavailable: Redis cannot be reached, or refuses to write.
        """
        for lease, outcome in await in_portions(self._redis, leases, self._add_renewal):
            if isinstance(outcome, Exception):
                logger.error("lease not renewed", extra={"reason": str(outcome)})
            elif not outcome:
                self._lose(lease)

    async def _add_renewal(self, pipe: Pipeline, lease: Lease) -> None:
        names, args = [lease.key], [lease.holder, str(self.milliseconds)]
        if (fence := lease.fence) is not None:
            names.append(fence.key)
            args += [fence.field, fence.prefix]
        await self._renew(keys=names, args=args, client=pipe)

    async def beat(self) -> None:
        """Renew all held leases.

        Raises:
            Unavailable: Redis cannot be reached; `can_detect_death` is false from now on.
        """
        try:
            await self._redis.ping()
            await self.renew(self._renewed)
        except BaseException:
            self._detects_from = math.inf
            raise
        now = time.monotonic()
        stood_still = now - self._reached_at >= conf.lease_seconds
        if stood_still or self._detects_from == math.inf:
            self._detects_from = now + conf.lease_seconds
        self._reached_at = now

    @asynccontextmanager
    async def try_hold(self, name: str) -> AsyncIterator[Lease | None]:
        """Hold a lease while the body runs. Yields None if somebody else holds it.

        After a pause of the process or an outage of Redis that is longer than a lease, another process may
        have taken it. The body is cancelled as soon as this process notices (`Lease.is_lost`). If two at once
        would do harm until then, fence the writes: store `Lease.token` with the work, and make each write
        conditional on there being no greater one, as in
        `Delivery.objects.filter(pk=pk, fence__lte=lease.token).update(fence=lease.token, …)`. Tokens are
        greater than 0 and fit into 63 bits.

        Args:
            name: The purpose of the lease, the same in all processes.

        Raises:
            Unavailable: Redis cannot be reached, or the lease was lost and the body cancelled.
        """
        lease = Lease(keys.named_lease(name), new_holder())
        args: list[str | int] = [lease.holder, self.milliseconds, _TOKEN_SECONDS]
        lease.token = await self._hold(keys=[lease.key, keys.named_lease_token(name)], args=args)
        if not lease.token:
            yield None
            return
        try:
            async with asyncio.timeout(None) as until_lost:
                lease.on_lost = partial(until_lost.reschedule, 0.0)
                self.start_renewing(lease)
                yield lease
        except TimeoutError:
            if until_lost.expired():
                raise Unavailable(Store.SESSIONS, f"the lease {name} was lost") from None
            raise
        finally:
            self.stop_renewing(lease)
            with suppress(Unavailable):  # it expires
                await self._release(keys=[lease.key], args=[lease.holder])

    def _lose(self, lease: Lease) -> None:
        if lease not in self._renewed:
            return  # renewing was stopped in the meantime
        self._renewed.discard(lease)
        lease.is_lost = True
        if lease.on_lost is not None:
            lease.on_lost()
