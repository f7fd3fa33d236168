"""Values that tools store: for a session, with which they end, or for a person, for a set time."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, cast

from redis.asyncio import Redis

from mcp_app.app_settings import Setting
from mcp_app.conf import Conf, conf
from mcp_app.exceptions import Unreadable, reading
from mcp_app.protocol.session_features import StoredValues, TooMuchData
from mcp_app.sessions import keys
from mcp_app.sessions.held import TooMuchHeld

logger = logging.getLogger(__name__)

_SIZE = ""
"""The field with the total size of the others."""

_EACH = 256
"""Overhead in bytes counted for each value: its name, and what Redis needs for a field."""

_SET = """
local old = redis.call('HGET', KEYS[1], ARGV[1])
local size = tonumber(redis.call('HGET', KEYS[1], ARGV[3]) or 0) + #ARGV[2]
if old then
  size = size - #old
else
  size = size + tonumber(ARGV[4])
  local most = tonumber(ARGV[7])
  if most >= 0 then
    for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
      if name ~= ARGV[3] and string.sub(name, 1, #ARGV[8]) == ARGV[8] then most = most - 1 end
    end
    if most < 1 then return -2 end
  end
end
if size > tonumber(ARGV[5]) then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], ARGV[3], size)
redis.call('EXPIRE', KEYS[1], ARGV[6])
return old and 0 or 1
"""
"""KEYS: data. ARGV: name, value, the size field, overhead per value, maximum bytes, seconds to
live, maximum number of values (-1: unlimited) with the prefix that follows.

Returns 1 for a new value, 0 for one that was replaced, -1 for too many bytes, -2 for too many values.
"""

_DELETE = """
local old = redis.call('HGET', KEYS[1], ARGV[1])
if not old then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HINCRBY', KEYS[1], ARGV[2], -(#old + tonumber(ARGV[3])))
return 1
"""
"""KEYS: data. ARGV: name, the size field, overhead per value."""


Reserve = Callable[[int], AbstractAsyncContextManager[Any]]


class _Data(StoredValues):
    """Values in a hash of their own.

    Args:
        key: The hash.
        limit: The setting with the maximum size of all values together, in base64.
        seconds: How long they live from the last `set`.
        reserve: Reserves space for this many bytes while they are written.
    """

    def __init__(
        self, redis: Redis, key: str, limit: Setting[int], seconds: int, reserve: Reserve = nullcontext
    ) -> None:
        self._redis = redis
        self._key = key
        self._limit = limit
        self._seconds = seconds
        self._reserve = reserve

    async def names(self, prefix: str = "") -> list[str]:
        names = cast("list[str]", await cast(Any, self._redis.hkeys(self._key)))
        return [name for name in names if name != _SIZE and name.startswith(prefix)]

    async def get(self, name: str) -> bytes | None:
        text = await cast(Any, self._redis.hget(self._key, name)) if name != _SIZE else None
        try:
            with reading():
                return None if text is None else base64.b64decode(text, validate=True)
        except Unreadable as error:
            logger.warning("stored data cannot be read", extra={"reason": str(error)})
            return None

    async def set(self, name: str, value: bytes, *, most: int | None = None, prefix: str = "") -> bool:
        if name == _SIZE:
            raise ValueError("a value needs a name")
        content = base64.b64encode(value).decode()  # the Redis client decodes responses as text
        limit: int = getattr(conf, self._limit.attribute)
        bounds = (limit, self._seconds, -1 if most is None else most)
        args: list[str | int] = [name, content, _SIZE, _EACH, *bounds, prefix]
        try:
            is_new = not await self._has(name)
            async with self._reserve(len(content)):
                outcome = await self._redis.register_script(_SET)(keys=[self._key], args=args)
        except TooMuchHeld as error:
            raise TooMuchData(str(error)) from error
        if outcome == -2:
            raise TooMuchData(f"there are {most} of them already")
        if outcome == -1:
            raise TooMuchData(f"there would be more than {limit} bytes of data ({self._limit.name})")
        return is_new or bool(outcome)

    async def delete(self, name: str) -> bool:
        if name == _SIZE:
            return False
        existed = await self._has(name)
        outcome = await self._redis.register_script(_DELETE)(keys=[self._key], args=[name, _SIZE, _EACH])
        return existed or bool(outcome)

    async def _has(self, name: str) -> bool:
        """Read first, since a script that is run again, because its reply was lost, finds its own change."""
        return bool(await cast(Any, self._redis.hexists(self._key, name)))


class SessionData(_Data):
    """The values of one session, by name. They expire with the session.

    Args:
        reserve: That of the person (`HeldBytes.reserve`).
    """

    def __init__(self, redis: Redis, session_id: str, reserve: Reserve = nullcontext) -> None:
        key = keys.data(session_id)
        super().__init__(redis, key, Conf.session_data_bytes, conf.session_idle_seconds, reserve)


class PersonData(_Data):
    """The values of one person, whatever the session or the client.

    They have a limit of their own, and do not count towards what the sessions of the person hold.

    Args:
        person: Their key (`Person.key`).
    """

    def __init__(self, redis: Redis, person: str) -> None:
        super().__init__(redis, keys.person_data(person), Conf.person_data_bytes, conf.person_data_seconds)
