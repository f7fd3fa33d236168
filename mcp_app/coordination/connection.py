"""The connections to Redis of one process."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError, RedisError, ResponseError

from mcp_app.conf import conf
from mcp_app.coordination import keys
from mcp_app.coordination.shares import SharedPool
from mcp_app.exceptions import Reaching, Store, Unavailable, Unreadable

T = TypeVar("T")

_RETRY_SECONDS = 0.5
"""The delay between attempts."""

PORTION = 500
"""Commands per pipeline: Redis serves other clients in between."""

# Every command that requests use, on keys that exist only within the script. Redis ACLs apply to scripts,
# too. If the script fails half-way, the keys it leaves expire. KEYS: string, hash, stream, sorted set. ARGV:
# seconds.
_TRY = """
local text, hash, log, set = unpack(KEYS)
local function keep(key) redis.call('EXPIRE', key, ARGV[1]) end
redis.call('SET', text, '1', 'EX', ARGV[1])
keep(text)
redis.call('PEXPIRE', text, ARGV[1] * 1000)
redis.call('GET', text)
redis.call('PTTL', text)
redis.call('TYPE', text)
redis.call('EXISTS', text)
redis.call('DEL', unpack(KEYS))
redis.call('HSET', hash, 'a', '1', 'b', '2')
keep(hash)
redis.call('HINCRBY', hash, 'a', 1)
redis.call('HGET', hash, 'a')
redis.call('HGETALL', hash)
redis.call('HMGET', hash, 'a')
redis.call('HKEYS', hash)
redis.call('HEXISTS', hash, 'a')
redis.call('HSTRLEN', hash, 'a')
redis.call('HLEN', hash)
redis.call('HDEL', hash, 'a')
local place = redis.call('XADD', log, '*', 'a', '1')
keep(log)
redis.call('XLEN', log)
redis.call('XRANGE', log, '-', '+', 'COUNT', 1)
redis.call('XDEL', log, place)
redis.call('ZADD', set, 1, 'a')
keep(set)
redis.call('ZCARD', set)
redis.call('ZMSCORE', set, 'a')
redis.call('ZSCORE', set, 'a')
redis.call('ZRANGE', set, 0, -1)
redis.call('ZRANGEBYSCORE', set, '-inf', '+inf')
redis.call('ZREMRANGEBYSCORE', set, '-inf', 0)
redis.call('ZREM', set, 'a')
redis.call('TIME')
redis.call('DEL', unpack(KEYS))
"""
_TRY_SECONDS = 60

_DAMAGE = re.compile(
    r"(^|caused error: )(\(')?(ERR )?"
    r"(WRONGTYPE |(hash )?value is not |Invalid stream ID|Command arguments must be |user_script:\d+: )"
)
"""Errors of commands, also in scripts and pipelines, that cannot use what they find in a key."""


def is_damage(error: BaseException) -> bool:
    """Whether a command failed because a key has another type or a malformed value."""
    return isinstance(error, ResponseError) and _DAMAGE.search(str(error)) is not None


reaching_redis = Reaching(Store.SESSIONS, lambda error: isinstance(error, RedisError | OSError), is_damage)
"""A context for code that uses Redis. It converts the exceptions for an outage or a damaged key."""


class _Script(AsyncScript):
    async def __call__(self, *args: Any, **options: Any) -> Any:
        with reaching_redis:
            return await super().__call__(*args, **options)


OnReply = Callable[[float, bool], None]
"""Called with the number of seconds a request to Redis took, and whether it failed."""


class _Timed:
    """A context that measures a request to Redis."""

    __slots__ = ("_began", "_on_reply")

    def __init__(self, on_reply: OnReply | None) -> None:
        self._on_reply = on_reply

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._on_reply is not None and not isinstance(error, asyncio.CancelledError | NoScriptError):
            self._on_reply(time.perf_counter() - self._began, error is not None)


class _Pipeline(Pipeline):
    on_reply: OnReply | None = None

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        with reaching_redis, _Timed(self.on_reply):
            return await super().execute(raise_on_error)


class Client(Redis):
    """A client that raises `Unavailable` in place of redis-py's exceptions and those of the network.

    Attributes:
        on_reply: Called after each request; its time includes the wait for a connection.
    """

    on_reply: OnReply | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            with reaching_redis, _Timed(self.on_reply):
                return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except Unavailable as error:
            if isinstance(error.__cause__, NoScriptError):
                raise error.__cause__ from None  # redis-py then loads the script
            raise

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        pipeline = _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.on_reply = self.on_reply
        return pipeline

    def register_script(self, script: Any) -> Any:
        return _Script(self, script)


async def try_commands(redis: Redis) -> None:
    """Try every command that requests use.

    Raises:
        Unavailable: Redis cannot be reached, is read-only, or denies a command or a key (ACL).
    """
    await redis.pubsub_numsub(keys.processes())
    script = await redis.script_load(_TRY)
    await redis.script_exists(script)
    tried = keys.readiness()
    await cast(Any, redis.evalsha(script, len(tried), *tried, str(_TRY_SECONDS)))


async def retry(attempt: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Repeat an idempotent operation while Redis is unavailable, for some seconds.

    Raises:
        Unavailable: Redis was unavailable all that time.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await attempt()
        except Unavailable as error:
            if isinstance(error, Unreadable) or time.monotonic() >= deadline:
                raise
            await asyncio.sleep(_RETRY_SECONDS)


def portions(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """The items in lists of limited length, like `itertools.batched` of Python 3.12."""
    waiting = list(items)
    for start in range(0, len(waiting), most):
        yield waiting[start : start + most]


async def in_portions(
    redis: Redis, items: Iterable[T], add: Callable[[Pipeline, T], Awaitable[Any]]
) -> list[tuple[T, Any]]:
    """Run one command for each item in few round trips, without a transaction: keys may be in many slots.

    Args:
        add: Adds the command for one item to a pipeline.

    Returns:
        Each item with its reply, which is an exception if its key is damaged.

    Raises:
        Unavailable: Redis cannot be reached, or refuses commands: it is full or read-only, for example. The
            others have been run.
    """
    replies = list[tuple[T, Any]]()
    for portion in portions(items, PORTION):
        async with redis.pipeline(transaction=False) as pipe:
            for item in portion:
                await add(pipe, item)
            replies += zip(portion, await pipe.execute(raise_on_error=False), strict=True)
    for _, reply in replies:
        if isinstance(reply, Exception) and not is_damage(reply):
            raise Unavailable(Store.SESSIONS, reply) from reply
    return replies


def client_options() -> dict[str, Any]:
    """Options of every client: time-outs, and text in place of bytes.

    Bytes that are not UTF-8 become U+FFFD, so that one value does not break a pipeline of many.
    """
    return {
        "socket_timeout": conf.redis_timeout_seconds,
        "socket_connect_timeout": conf.redis_timeout_seconds,
        "decode_responses": True,
        "encoding_errors": "replace",
    }


def connect(url: str, on_reply: OnReply | None = None) -> Redis:
    """A Redis client that has time-outs for everything and raises `Unavailable`.

    Args:
        url: The server.
        on_reply: Called after each request, with the time that it took.
    """
    pool = SharedPool.from_url(
        url,
        max_connections=conf.redis_connections,
        timeout=conf.redis_timeout_seconds,
        **client_options(),
    )
    client = cast(Client, Client.from_pool(pool))
    client.on_reply = on_reply
    return client
