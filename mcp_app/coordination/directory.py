"""The directory: which processes use an object, so that messages about it go only to them.

Each object has a sorted set in Redis, its place: the addresses of processes, scored by when each entry
expires. Long-lived entries are renewed with every heartbeat; those of a process that died expire.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import cast

from redis.asyncio import Redis

from mcp_app.conf import conf
from mcp_app.coordination.bus import Bus, BusMessage
from mcp_app.coordination.cancellation import raise_if_cancelled
from mcp_app.coordination.connection import in_portions
from mcp_app.exceptions import Unavailable

logger = logging.getLogger(__name__)

DIRECTORY = """
local function now()
  local time = redis.call('TIME')
  return time[1] + time[2] / 1000000
end
local function register(key, address, seconds)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now())
  redis.call('ZADD', key, 'GT', now() + seconds, address)
  if redis.call('PTTL', key) < seconds * 1000 then redis.call('EXPIRE', key, math.ceil(seconds)) end
end
local function addresses(...)
  local found = {}
  for _, key in ipairs({...}) do
    for _, address in ipairs(redis.call('ZRANGEBYSCORE', key, now(), '+inf')) do
      table.insert(found, address)
    end
  end
  return found
end
"""
"""`register` and `addresses`, for scripts that read or change the objects themselves."""

# KEYS: directory. ARGV: address, seconds.
_REGISTER = DIRECTORY + "register(KEYS[1], ARGV[1], ARGV[2]) return redis.call('TIME')"

# KEYS: directories.
_ADDRESSES = DIRECTORY + "return addresses(unpack(KEYS))"


def copy_seconds() -> float:
    """How long a directory entry lasts for a copy that was just read.

    One second longer than a call that was started from the copy may run without being registered in Redis.
    """
    return conf.cache_seconds + conf.stream_after_seconds + 1.0


class Directory:
    """Registers this process and looks up others. `beat` is part of the heartbeat.

    Callers choose the keys: each is in the slot of the object that it is about.

    | Method | Registers now | Registers with every beat |
    |---|---|---|
    | `register` | for the given time | no |
    | `ensure_registered` | until the next beat | no |
    | `start_renewing` | no | until `stop_renewing` |
    | `register_and_renew` | until the next beat | until `stop_renewing` |

    Each call of the last two needs one `stop_renewing`.
    """

    def __init__(self, redis: Redis, bus: Bus) -> None:
        self.bus = bus
        self._redis = redis
        self._renewals: Counter[str] = Counter()
        self._registered_at: dict[str, float] = {}
        self._register = redis.register_script(_REGISTER)
        self._addresses = redis.register_script(_ADDRESSES)

    async def register(self, key: str, seconds: float) -> int:
        """Register for some seconds. Returns when it was, in microseconds by the clock of Redis.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        since_1970, microseconds = await self._register(keys=[key], args=[self.bus.address, seconds])
        raise_if_cancelled()
        return int(since_1970) * 1_000_000 + int(microseconds)

    async def ensure_registered(self, key: str) -> None:
        """Register until at least the next beat, unless that was done recently.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        began = time.monotonic()
        if began - self._registered_at.get(key, -math.inf) >= conf.lease_seconds / 3:
            await self.register(key, conf.lease_seconds)
            self._registered_at[key] = began

    async def register_and_renew(self, key: str) -> None:
        """Register now, and renew with every beat.

        Raises:
            Unavailable: Redis cannot be reached: nothing is renewed, and the process may not be registered.
        """
        await self.ensure_registered(key)
        self.start_renewing(key)

    def start_renewing(self, key: str) -> None:
        """Register with every beat, from the next one on."""
        self._renewals[key] += 1

    def stop_renewing(self, key: str) -> None:
        """Undo one `start_renewing`. After the last one the entry expires within the time of a lease."""
        self._renewals[key] -= 1
        if self._renewals[key] <= 0:
            del self._renewals[key]

    async def beat(self) -> None:
        """Renew all entries.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        began = time.monotonic()
        args: list[str | float] = [self.bus.address, conf.lease_seconds]
        renewed = await in_portions(
            self._redis,
            self._renewals,
            lambda pipe, key: self._register(keys=[key], args=args, client=pipe),
        )
        self._registered_at = {key: began for key, reply in renewed if not isinstance(reply, Exception)}

    async def addresses(self, *keys: str) -> list[str]:
        """The processes registered at any of these places, which must be in one slot.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        return cast("list[str]", await self._addresses(keys=keys))

    async def publish_to_all(self, message: BusMessage, places: Iterable[str]) -> None:
        """Handle a message here, then send it to all processes at these places, which may be in many slots.

        It waits until they have handled it; see `confirm` of `Bus.send_all`.

        Raises:
            Unavailable: Redis cannot be reached, and no other process got the message.
        """
        await self.bus.publish([], message)
        found = await in_portions(
            self._redis, places, lambda pipe, key: self._addresses(keys=[key], client=pipe)
        )
        replies = [addresses for _, addresses in found if not isinstance(addresses, Exception)]
        await self.bus.send_all(chain.from_iterable(replies), message, confirm=True)

    async def publish(self, message: BusMessage, *keys: str, confirm: bool = False) -> None:
        """Handle a message here, then send it to all processes at these places, which must be in one slot.

        Like every message between processes it may be lost, so receivers also poll Redis. `confirm` is that
        of `Bus.send_all`.
        """
        await self.bus.publish([], message)
        try:
            addresses = await self.addresses(*keys)
        except Unavailable as error:
            logger.warning("message to other processes lost", extra={"reason": str(error)})
            return
        await self.bus.send_all(addresses, message, confirm=confirm)
