"""Files of a session, in Redis. They are among the session's keys, and so live and end with it."""

from __future__ import annotations

import base64
from typing import Any, cast

from redis.asyncio import Redis

from mcp_app.conf import conf
from mcp_app.sessions import keys


class RedisSessionFiles:
    """The implementation of `mcp_app.server.tools.gzipping.SessionFiles`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def names(self, session_id: str) -> list[str]:
        return cast("list[str]", await cast(Any, self._redis.hkeys(keys.files(session_id))))

    async def read(self, session_id: str, name: str) -> bytes | None:
        text = await cast(Any, self._redis.hget(keys.files(session_id), name))
        return None if text is None else base64.b64decode(text)

    async def write(self, session_id: str, name: str, data: bytes) -> None:
        # The client decodes responses as text, so bytes are kept as base64.
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.files(session_id), name, base64.b64encode(data).decode())
            pipe.expire(keys.files(session_id), conf.session_idle_seconds)
            await pipe.execute()
