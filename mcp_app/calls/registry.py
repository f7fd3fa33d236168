"""The calls of all processes whose answers are event streams, in Redis.

A call is registered when it first speaks, and from then on holds a lease, which its process renews. One
script writes all that it says, and refuses what comes from a process that was thought dead.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from mcp.server.auth.provider import AccessToken
from mcp_types import JSONRPCRequest
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.auth.tokens import token_places
from mcp_app.conf import conf
from mcp_app.coordination.connection import in_portions, retry
from mcp_app.coordination.directory import DIRECTORY, Directory
from mcp_app.coordination.leases import Fence, Lease, Leases
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import ONCE_SECONDS, PUT, limits
from mcp_app.sessions.events import is_standalone, is_standalone_of
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.streams import Streams

# What a call says, unless it is another process's by now. With a registration the call begins, or is taken
# over. The last it says, its answer or nothing, takes it off the list. Returns where the log ended before,
# and whom to wake. KEYS: calls, lease, log, tails, recent appendings, processes. ARGV: stream, process,
# registration or nothing, message or nothing, "1" if it is the last, this appending, milliseconds of the
# lease, length, bytes and seconds of the log, seconds for which an appending is remembered, address and
# seconds of the process.
_WRITE = (
    DIRECTORY
    + PUT
    + """
local calls, lease, log, tails, appended, processes = unpack(KEYS)
local stream, process, registration, message, final, token = unpack(ARGV, 1, 6)
local milliseconds, cap, bytes, seconds, once, address, present = unpack(ARGV, 7)
local holder = redis.call('GET', lease)
if holder and holder ~= process then return false end
if registration ~= '' then
  redis.call('HSET', calls, stream, registration)
  redis.call('EXPIRE', calls, seconds)
  enter(processes, address, present)
else
  local known, by = redis.call('HGET', calls, stream), '{"by": "' .. process .. '"'
  if not known or string.sub(known, 1, #by) ~= by then return false end
end
local position = redis.call('HGET', tails, 'newest') or '0-0'
if final == '1' then
  redis.call('HDEL', calls, stream)
  redis.call('DEL', lease)
  if message == '' then cancel(log, tails, cap, seconds, stream) end
else
  redis.call('SET', lease, process, 'PX', milliseconds)
end
local readers = addresses(processes)
if message == '' then return {position, readers} end
if redis.call('ZADD', appended, 'NX', now(), token) == 0 then return {'0-0', readers} end
redis.call('ZREMRANGEBYSCORE', appended, '-inf', now() - once)
redis.call('EXPIRE', appended, math.min(seconds, once))
put(log, tails, cap, bytes, seconds, stream, message, final == '1')
return {position, readers}
"""
)

# Gives up the lease of a call that has not ended. KEYS: calls, lease. ARGV: stream, process, registration.
_HAND_OVER = """
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[2] then return end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
redis.call('DEL', KEYS[2])
"""


@dataclass(frozen=True)
class Registration:
    """What Redis knows of a running call: enough to run it again.

    Attributes:
        session_id: Its session.
        stream: The stream on which it speaks.
        request: What it runs.
        losses: How many processes it has outlived.
    """

    session_id: str
    stream: str
    request: JSONRPCRequest
    losses: int = 0


class CallRegistry:
    """Registers calls, writes what they say, and says what became of them."""

    def __init__(self, redis: Redis, leases: Leases, directory: Directory, streams: Streams) -> None:
        self._redis = redis
        self._leases = leases
        self._directory = directory
        self._places: dict[Lease, list[str]] = {}
        self._streams = streams
        self._log = streams.log
        self._process = secrets.token_hex(8)
        """What its leases name: its address may change."""
        self._write = redis.register_script(_WRITE)
        self._hand_over = redis.register_script(_HAND_OVER)

    async def write(
        self,
        call: Registration,
        message: bytes | None,
        *,
        is_first: bool = False,
        is_final: bool = False,
        retry_seconds: float = 0.0,
    ) -> str | None:
        """Append what a call says to its stream, once, and wake whoever reads it.

        Args:
            call: The call.
            message: A JSON-RPC message, encoded; None to begin or to end in silence.
            is_first: Whether the call may not be registered yet, and is to be.
            is_final: Whether it ends with this.
            retry_seconds: For how many seconds it is tried again while Redis does not answer.

        Returns:
            Up to where the log held nothing of the stream, if this is the first. None when the call is
            another process's by now, or has ended: then nothing was written.

        Raises:
            Unavailable: Redis did not answer for so long.
        """
        session_id, stream = call.session_id, call.stream
        names = (keys.calls, keys.events, keys.tails, keys.appended, keys.processes)
        calls, *others = (name(session_id) for name in names)
        arguments: list[str | bytes | float] = [
            *(stream, self._process, self._to_json(call) if is_first else ""),
            *(message or b"", int(is_final), secrets.token_hex(8)),
            *(self._leases.milliseconds, *limits(), ONCE_SECONDS),
            *(self._directory.bus.address, conf.lease_seconds),
        ]
        attempts = 0

        async def attempt() -> Any:
            nonlocal attempts
            attempts += 1
            return await self._write(keys=[calls, keys.lease(session_id, stream), *others], args=arguments)

        written = await retry(attempt, retry_seconds)
        if written is None and not (is_final and attempts > 1):  # an earlier try may have ended it
            return None
        position, addresses = written or (None, None)
        if message is not None:
            await self._log.wake(session_id, stream, addresses)
        elif is_final:
            await self._streams.close(session_id, stream, complete=True)
        return cast("str | None", position)

    def hold(self, call: Registration, token: AccessToken | None, on_lost: Callable[[], None]) -> Lease:
        """Renew the lease of a call that has spoken, and be found for it, until it is dropped.

        Args:
            call: The call.
            token: As whom it runs.
            on_lost: Called when the call is another process's, or has ended.
        """
        session_id, stream = call.session_id, call.stream
        fence = Fence(keys.calls(session_id), stream)
        lease = Lease(keys.lease(session_id, stream), self._process, fence, on_lost)
        self._leases.hold(lease)
        places = [keys.processes(session_id), *([] if token is None else token_places(token))]
        self._places[lease] = places
        for place in places:
            self._directory.keep(place)
        return lease

    def drop(self, lease: Lease) -> None:
        self._leases.drop(lease)
        for place in self._places.pop(lease, ()):
            self._directory.drop(place)

    async def renew(self, lease: Lease) -> None:
        await self._leases.renew([lease])

    @property
    def can_judge(self) -> bool:
        """Whether an expired lease means that its process is dead."""
        return self._leases.can_judge

    async def find(self, session_id: str, stream: str) -> Registration | None:
        """The call behind a stream, while it runs or nobody has noticed that its process died."""
        found = await cast(Any, self._redis.hget(keys.calls(session_id), stream))
        if found is None:
            return None
        fields = json.loads(found)
        request = JSONRPCRequest.model_validate(fields["request"])
        return Registration(session_id, stream, request, fields["losses"])

    async def take_over(self, call: Registration) -> bool:
        """Take the lease of a call whose process died. False when it still runs, or has ended meanwhile."""
        lease = keys.lease(call.session_id, call.stream)
        if not await self._leases.take(lease, self._process):
            return False
        if await self.is_running(call.session_id, call.stream):
            return True
        await self._redis.delete(lease)  # its process gave the lease up
        return False

    async def hand_over(self, calls: Iterable[Registration]) -> None:
        """Give up the leases of calls that have not ended: whoever reads their streams next takes them over.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        await in_portions(self._redis, calls, self._add_hand_over)

    async def _add_hand_over(self, pipe: Pipeline, call: Registration) -> None:
        session_id, stream = call.session_id, call.stream
        await self._hand_over(
            keys=[keys.calls(session_id), keys.lease(session_id, stream)],
            args=[stream, self._process, self._to_json(call)],
            client=pipe,
        )

    async def is_running(self, session_id: str, stream: str) -> bool:
        return bool(await cast(Any, self._redis.hexists(keys.calls(session_id), stream)))

    async def can_resume(self, record: SessionRecord, stream: str, position: str) -> bool:
        """Whether all that followed a position of a stream is still in the log, or is to come."""
        if is_standalone(stream):
            if not is_standalone_of(record.id, stream):
                return False
            whole, _ = await self._log.can_replay(record.id, stream, position)
            return whole
        # Whether it runs comes first: one that ends in between has left its answer in the log.
        runs = await self.is_running(record.id, stream)
        whole, anything = await self._log.can_replay(record.id, stream, position)
        # A call that has ended is worth coming back for only if it left something behind that position.
        return whole and (anything or runs)

    def _to_json(self, call: Registration) -> str:
        # The script looks for its process at the beginning.
        fields = {"by": self._process, "losses": call.losses, "request": call.request.model_dump(mode="json")}
        return json.dumps(fields)
