"""The registry of running calls with event streams, in Redis.

A call is registered with its first message, and then has a lease, which its process renews. One script writes
all its messages, and rejects those of a process that has lost the call to another.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from mcp.server.auth.provider import AccessToken
from mcp_types import JSONRPCRequest, RequestId
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.auth.tokens import token_places
from mcp_app.conf import conf
from mcp_app.coordination.connection import in_portions, retry
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.leases import Fence, Lease, Leases, new_holder
from mcp_app.exceptions import Unreadable, reading
from mcp_app.protocol.words import shortened
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import ONCE_SECONDS, Replay, limits
from mcp_app.sessions.events import is_standalone, is_standalone_of, order, shown
from mcp_app.sessions.log_scripts import PUT
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.streams import Streams

# Writes a message of a call, unless another process has taken the call over. A registration registers the
# call, or takes it over; the final message, or none, removes it. Returns the previous end of the log, and the
# processes to wake. A missing registration or message is ''. `cap`, `bytes` and `seconds` limit the log; the
# address is present in the directory for `present` seconds. What was written, or ended the call, is
# remembered for `once` seconds: if the script is run again, because its reply was lost, it changes nothing,
# and returns the same processes.
_WRITE = (
    PUT
    + """
local calls, lease, log, tails, appended, processes = unpack(KEYS)
local stream, process, registration, message, final, id = unpack(ARGV, 1, 6)
local milliseconds, cap, bytes, seconds, once, address, present = unpack(ARGV, 7)
local readers = addresses(processes)
if is_repeated(appended, id) then return {'0-0', readers} end
local holder = redis.call('GET', lease)
if holder and holder ~= process then return false end
if registration ~= '' then
  redis.call('HSET', calls, stream, registration)
  redis.call('EXPIRE', calls, seconds)
  register(processes, address, present)
else
  local known, by = redis.call('HGET', calls, stream), '{"by": "' .. process .. '"'
  if not known or string.sub(known, 1, #by) ~= by then return false end
end
local position = '0-0'  -- of a stream with events
if redis.call('HEXISTS', tails, stream) == 0 then position = redis.call('HGET', tails, 'newest') or '0-0' end
if final == '1' then
  redis.call('HDEL', calls, stream)
  redis.call('DEL', lease)
  if message == '' then cancel(log, tails, cap, seconds, stream) end
else
  redis.call('SET', lease, process, 'PX', milliseconds)
end
if message ~= '' then put(log, tails, cap, bytes, seconds, stream, message, final == '1') end
if message ~= '' or final == '1' then remember(appended, id, seconds, once) end
return {position, readers}
"""
)

# Releases the lease of a running call. KEYS: calls, lease. ARGV: stream, process, registration.
_HAND_OVER = """
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[2] then return end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
redis.call('DEL', KEYS[2])
"""


MAX_REQUEST_BYTES = 64 * 1024
"""The maximum size of a request that is stored with its parameters, as JSON."""


@dataclass(frozen=True)
class Registration:
    """A running call as stored in Redis: enough to re-run it.

    Attributes:
        session_id: The session.
        stream: The name of its event stream.
        request: The request.
        losses: How many of its processes have died.
        is_complete: Whether the request is stored with its parameters. One that is too large is not, and
            cannot be re-run.
        is_handed_over: Whether its process has handed it over, and any other may continue it.
        holder: The name of the process that ran it, if it was read from Redis; excluded from comparison.
    """

    session_id: str
    stream: str
    request: JSONRPCRequest
    losses: int = 0
    is_complete: bool = True
    is_handed_over: bool = False
    holder: str = field(default="", compare=False)


class NotResumable(Exception):
    """A stream cannot be resumed from a position. The message says why, for the log."""


class UnreadableCall(Unreadable):
    """A registered call cannot be read.

    Attributes:
        request_id: The id of the request, if at least that can be read.
    """

    def __init__(self, reason: Unreadable, fields: Any) -> None:
        super().__init__(str(reason))
        request = fields.get("request") if isinstance(fields, dict) else None
        request_id = request.get("id") if isinstance(request, dict) else None
        is_valid = isinstance(request_id, int | str) and not isinstance(request_id, bool)
        self.request_id: RequestId | None = request_id if is_valid else None


class CallRegistry:
    """Registers calls, writes their messages, and looks them up."""

    def __init__(self, redis: Redis, leases: Leases, directory: Directory, streams: Streams) -> None:
        self._redis = redis
        self.leases = leases
        self._directory = directory
        self._places: dict[Lease, list[str]] = {}
        self._streams = streams
        self._log = streams.log
        self._activity = directory.bus.activity
        self._process = new_holder()
        """Identifies this process as the holder of its leases, and in the registrations of its calls."""
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
        before: Callable[[], None] = lambda: None,
    ) -> str | None:
        """Append a message of a call to its stream, and wake the readers. Retries do not append it twice.

        Args:
            message: A JSON-RPC message, encoded; None to register or to end without one.
            is_first: Register the call, or take it over.
            is_final: End the call.
            retry_seconds: How long to retry while Redis is unavailable.
            before: Called just before it is sent to Redis, so that next to nothing can come in between.

        Returns:
            The end of the log before the message. None if another process has taken the call over, or it has
            ended: nothing was written.

        Raises:
            Unavailable: Redis was unavailable all that time.
        """
        session_id, stream = call.session_id, call.stream
        kinds = (keys.calls, keys.events, keys.tails, keys.appended, keys.processes)
        calls, *others = (kind(session_id) for kind in kinds)
        arguments: list[str | bytes | float] = [
            *(stream, self._process, self._to_json(call) if is_first else ""),
            *(message or b"", int(is_final), secrets.token_hex(8)),
            *(self.leases.milliseconds, *limits(), ONCE_SECONDS),
            *(self._directory.bus.address, conf.lease_seconds),
        ]
        names = [calls, keys.lease(session_id, stream), *others]
        before()
        written = await retry(lambda: self._write(keys=names, args=arguments), retry_seconds)
        if written is None:
            return None
        if self._activity.watched:
            self._note(call, is_first=is_first, is_final=is_final)
        position, addresses = written
        if message is not None:
            await self._log.wake(session_id, stream, addresses)
        elif is_final:
            await self._streams.close(session_id, stream, complete=True)
        with reading():
            order(position)
        return cast(str, position)

    def _note(self, call: Registration, *, is_first: bool, is_final: bool) -> None:
        fields = {"session": call.session_id, "call": shown(call.stream)}
        if is_first and call.losses:
            self._activity.note("call.taken", **fields, runs=call.losses + 1, of=call.holder)
        elif is_first:
            self._activity.note("call.registered", **fields, method=shortened(call.request.method))
        if is_final:
            self._activity.note("call.settled", **fields)

    def start_renewing(
        self, call: Registration, token: AccessToken | None, on_lost: Callable[[], None]
    ) -> Lease:
        """Renew the lease and the directory entries of a registered call and of its token.

        Calls `on_lost` when another process took the call over, or it was ended. End with `stop_renewing`.
        """
        session_id, stream = call.session_id, call.stream
        fence = Fence(keys.calls(session_id), stream, json.dumps({"by": self._process})[:-1])
        lease = Lease(keys.lease(session_id, stream), self._process, fence, on_lost)
        self.leases.start_renewing(lease)
        places = [keys.processes(session_id), *([] if token is None else token_places(token))]
        self._places[lease] = places
        for place in places:
            self._directory.start_renewing(place)
        return lease

    def stop_renewing(self, lease: Lease) -> None:
        self.leases.stop_renewing(lease)
        for place in self._places.pop(lease, ()):
            self._directory.stop_renewing(place)

    async def find(self, session_id: str, stream: str) -> Registration | None:
        """The registered call behind a stream; its process may have died.

        Raises:
            UnreadableCall: It cannot be read.
        """
        found = await cast(Any, self._redis.hget(keys.calls(session_id), stream))
        if found is None:
            return None
        fields: Any = None
        try:
            with reading():
                fields = json.loads(found)
                request = JSONRPCRequest.model_validate(fields["request"])
                return Registration(
                    session_id,
                    stream,
                    request,
                    losses=int(fields.get("losses", 0)),
                    is_complete=not fields.get("cut"),
                    is_handed_over=bool(fields.get("handed_over")),
                    holder=str(fields.get("by", "")).partition(".")[0],
                )
        except Unreadable as error:
            raise UnreadableCall(error, fields) from None

    async def request_id(self, session_id: str, stream: str) -> RequestId | None:
        """The id of the request behind a stream; None if the call has ended, or cannot be read."""
        try:
            found = await self.find(session_id, stream)
        except UnreadableCall as error:
            return error.request_id
        return None if found is None else found.request.id

    async def take_over(self, call: Registration) -> bool:
        """Take the lease of a call whose process died. Returns False if it is running or has ended."""
        lease = keys.lease(call.session_id, call.stream)
        if not await self.leases.take(lease, self._process):
            return False
        if await self.is_running(call.session_id, call.stream):
            return True
        await self._redis.delete(lease)  # the call had ended
        return False

    async def hand_over(self, calls: Iterable[Registration]) -> None:
        """Release the leases of running calls: the next reader of their streams takes them over.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        await in_portions(self._redis, calls, self._add_hand_over)

    async def _add_hand_over(self, pipe: Pipeline, call: Registration) -> None:
        session_id, stream = call.session_id, call.stream
        await self._hand_over(
            keys=[keys.calls(session_id), keys.lease(session_id, stream)],
            args=[stream, self._process, self._to_json(replace(call, is_handed_over=True))],
            client=pipe,
        )

    async def is_running(self, session_id: str, stream: str) -> bool:
        return bool(await cast(Any, self._redis.hexists(keys.calls(session_id), stream)))

    async def find_replay(self, record: SessionRecord, stream: str, position: str) -> Replay:
        """Find what the log contains of a stream after the position from which a client resumes it.

        Raises:
            NotResumable: Later events are missing, or there are none and none will come.
        """
        if is_standalone(stream) and not is_standalone_of(record.id, stream):
            raise NotResumable("the stream is not of this session")
        # Check this first: if the call ends in between, its response is in the log.
        goes_on = is_standalone(stream) or await self.is_running(record.id, stream)
        replay = await self._log.can_replay(record.id, stream, position)
        if not replay.is_whole and replay.has_events:
            raise NotResumable("later events were trimmed from the log")
        if not replay.is_whole:
            raise NotResumable("the stream is unknown or expired")
        if not replay.has_events and not goes_on:
            raise NotResumable("the call is no longer running")
        return replay

    def _to_json(self, call: Registration) -> str:
        # The script and the fence of the lease expect `by` first.
        request = call.request.model_dump(mode="json")
        fields = {"by": self._process, "losses": call.losses, "request": request}
        if call.is_handed_over:
            fields["handed_over"] = True
        text = json.dumps(fields)
        if len(text) <= MAX_REQUEST_BYTES:
            return text
        return json.dumps(fields | {"cut": True, "request": request | {"params": None}})
