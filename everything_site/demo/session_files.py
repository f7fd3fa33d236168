"""Files of a session, in Redis. They are among the session's keys, and so live and end with it."""

from __future__ import annotations

import base64
from typing import Any, cast

from redis.asyncio import Redis

from everything_site.demo.tools.gzipping import MAX_FILES, TooManyFiles
from mcp_app.conf import conf
from mcp_app.sessions import keys

_WRITE = """
local is_new = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0
if is_new and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
  return -1
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return is_new and 1 or 0
"""
"""KEYS: the session's files. ARGV: name, content, how many there may be, seconds to live.

Returns 1 for a new file, 0 for one that was replaced, -1 when there are too many.
"""


class RedisSessionFiles:
    """The implementation of `everything_site.demo.tools.gzipping.SessionFiles`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._write = redis.register_script(_WRITE)

    async def names(self, session_id: str) -> list[str]:
        return cast("list[str]", await cast(Any, self._redis.hkeys(keys.files(session_id))))

    async def read(self, session_id: str, name: str) -> bytes | None:
        text = await cast(Any, self._redis.hget(keys.files(session_id), name))
        return None if text is None else base64.b64decode(text)

    async def write(self, session_id: str, name: str, data: bytes) -> bool:
        # The client decodes responses as text, so bytes are kept as base64.
        content = base64.b64encode(data).decode()
        outcome = await self._write(
            keys=[keys.files(session_id)], args=[name, content, MAX_FILES, conf.session_idle_seconds]
        )
        if outcome == -1:
            raise TooManyFiles
        return bool(outcome)
