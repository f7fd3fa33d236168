"""Calls: those that run in this process, and what becomes of those whose process died.

A call belongs to its process alone only while it is quick. Once its answer has become an event stream
it is registered in Redis under a lease, which its process renews. When the process dies, whoever reads
the stream finds the lease expired and settles the call: it runs it again where that does no harm, and
answers with an error where it might.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from mcp.server import Server
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCNotification, JSONRPCRequest, ProgressToken, RequestId
from redis.asyncio import Redis

from mcp_app.auth.tokens import WITHDRAWN, TokenWithdrawn, is_withdrawn_by
from mcp_app.calls.call import WORKER_LOST, SessionCall, connection_of
from mcp_app.calls.client_requests import ClientRequests
from mcp_app.conf import conf
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import retry
from mcp_app.coordination.leases import Fence, Lease, Leases
from mcp_app.exceptions import Unavailable
from mcp_app.protocol.serve import Outcome
from mcp_app.sdk import ServerRunner, progress_token_from_params
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import PUT, limits
from mcp_app.sessions.events import START, is_listener, is_listener_of
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import ENDED, SessionStore
from mcp_app.sessions.streams import Streams

logger = logging.getLogger(__name__)

CANCEL = "call.cancel"

_FINISH_SECONDS = 60.0
"""How long a call tries to put its answer into the log while Redis does not answer."""

_PROGRESS = "notifications/progress"

_MAX_LOSSES = 3
"""How many processes a call may lose: it may be the call itself that brings them down."""

_HAND_OVER_SECONDS = 2.0
"""How long a call may take to clean up when its process ends."""

# Logs the answer to a call that nobody has settled yet: a process that was thought dead may come back.
# KEYS: calls, lease, log, ends. ARGV: stream, answer or nothing, length, bytes and seconds of the log.
_SETTLE = (
    PUT
    + """
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('DEL', KEYS[2])
if ARGV[2] ~= '' then
  put(KEYS[3], KEYS[4], ARGV[3], ARGV[4], ARGV[5], ARGV[1], ARGV[2], true)
else
  cancel(KEYS[3], KEYS[4], ARGV[3], ARGV[5], ARGV[1])
end
return 1
"""
)

# Gives up the lease of a call that has not ended. KEYS: calls, lease. ARGV: stream, registration.
_HAND_OVER = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
redis.call('DEL', KEYS[2])
"""

MayRepeat = Callable[[str, Mapping[str, Any] | None], Awaitable[bool]]
"""Whether a request, of a method with parameters, can be run a second time without harm."""


@dataclass(frozen=True)
class _Registration:
    """What is known in Redis of a running call: enough to run it again."""

    request: JSONRPCRequest
    losses: int

    @classmethod
    def of(cls, exchange: SessionCall) -> _Registration:
        assert isinstance(exchange.request, JSONRPCRequest)
        return cls(exchange.request, exchange.losses)

    def to_json(self) -> str:
        return json.dumps({"request": self.request.model_dump(mode="json"), "losses": self.losses})

    @classmethod
    def from_json(cls, text: str) -> _Registration:
        fields = json.loads(text)
        return cls(JSONRPCRequest.model_validate(fields["request"]), fields["losses"])


class TooManyCalls(Exception):
    """The session has as many calls running in this process as it may have."""


class Calls:
    """The running calls of this process."""

    def __init__(
        self,
        redis: Redis,
        bus: Bus,
        sessions: SessionStore,
        streams: Streams,
        leases: Leases,
        server: Server[Any],
        lifespan_state: Any,
        may_repeat: MayRepeat,
    ) -> None:
        self.sessions = sessions
        self.streams = streams
        self.log = streams.log
        self.client_requests = ClientRequests(redis, bus)
        self.server = server
        self.lifespan_state = lifespan_state
        self._redis = redis
        self._bus = bus
        self._leases = leases
        self._may_repeat = may_repeat
        self._settle_once = redis.register_script(_SETTLE)
        self._hand_over = redis.register_script(_HAND_OVER)
        self._process = secrets.token_hex(8)
        """What its leases name: its address may change."""
        self._running: dict[str, dict[SessionCall, asyncio.Task[None]]] = defaultdict(dict)
        self._registered: dict[SessionCall, Lease] = {}
        bus.on(CANCEL, self._on_cancel)
        bus.on(ENDED, self._on_ended)
        bus.on(WITHDRAWN, self._on_withdrawn)

    def __len__(self) -> int:
        return sum(len(exchanges) for exchanges in self._running.values())

    async def stop(self) -> None:
        """Break off what runs here. Those that have become streams are settled by another process."""
        tasks = [task for exchanges in self._running.values() for task in exchanges.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def start(
        self,
        record: SessionRecord,
        request: JSONRPCRequest,
        headers: Mapping[str, str],
        *,
        stream: str | None = None,
    ) -> SessionCall:
        """Run a request in a task of this process.

        Args:
            record: The session.
            request: What to run.
            headers: Of the HTTP request.
            stream: The name of the stream that it may become; a new one if None.

        Raises:
            TooManyCalls: The session has `MCP_MAX_CALLS` running here.
        """
        self.check_room(record, 1)
        return self._start(record, request, headers, stream=stream)

    def _start(
        self,
        record: SessionRecord,
        request: JSONRPCRequest,
        headers: Mapping[str, str],
        *,
        stream: str | None = None,
        losses: int = 0,
    ) -> SessionCall:
        exchanges = self._running[record.id]
        exchange = SessionCall(self, record, request, headers, stream, losses)
        task = asyncio.create_task(exchange.run())
        exchanges[exchange] = task
        task.add_done_callback(lambda task: self._done(exchange, task))
        return exchange

    def check_room(self, record: SessionRecord, calls: int) -> None:
        """See to it that so many more calls of a session may run here.

        Raises:
            TooManyCalls: There would be more than `MCP_MAX_CALLS`.
        """
        if calls and len(self._running.get(record.id, ())) + calls > conf.max_calls:
            raise TooManyCalls

    async def notified(
        self, record: SessionRecord, notification: JSONRPCNotification, headers: Mapping[str, str]
    ) -> None:
        """Take a notification of the client."""
        params = notification.params or {}
        if notification.method == "notifications/cancelled":
            await self._bus.broadcast(
                # As JSON: it may be of any kind or size, which the channel layer's format may not.
                {"type": CANCEL, "session": record.id, "request": json.dumps(params.get("requestId"))}
            )
            return
        # The runner's notification side is public; it has no driver like `serve_one` of its own.
        call = SessionCall(self, record, notification, headers)
        await ServerRunner(
            self.server, connection_of(self, call.live_session), self.lifespan_state
        ).on_notify(call, notification.method, notification.params)

    async def register(self, exchange: SessionCall) -> None:
        """Put a call under a lease, before its stream begins."""
        calls = keys.calls(exchange.session_id)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(calls, exchange.stream, _Registration.of(exchange).to_json())
            pipe.expire(calls, conf.session_idle_seconds)
            lease = keys.lease(exchange.session_id, exchange.stream)
            pipe.set(lease, self._process, px=self._leases.milliseconds)
            pipe.xrevrange(keys.events(exchange.session_id), count=1)
            *_, last = await pipe.execute()
        exchange.begins_after = last[0][0] if last else START
        if not exchange.has_ended:
            fence = Fence(calls, exchange.stream)
            held = Lease(lease, self._process, fence, on_lost=lambda: self._taken_over(exchange))
            self._registered[exchange] = held
            self._leases.hold(held)

    async def promise(self, record: SessionRecord, exchange: SessionCall) -> None:
        """Make a stream of a call, whose answer is owed from then on; one that cannot be so is broken off.

        Raises:
            Unavailable: It could not be registered: the request is refused, and must not go on.
        """
        try:
            await exchange.become_stream()
        except Unavailable:
            self.abandon(record, exchange)
            raise

    async def finish(self, exchange: SessionCall, answer: bytes | None) -> None:
        """Put the answer of a registered call into the log; without an answer its stream just ends."""
        told = (exchange.session_id, exchange.stream, answer)
        try:
            await retry(lambda: self._settle(*told), _FINISH_SECONDS)
        except Unavailable:
            logger.error("an answer was lost: Redis cannot be reached")

    async def can_resume(self, record: SessionRecord, stream: str, place: str) -> bool:
        """Whether what followed a place of a stream can still be told, all of it."""
        if is_listener(stream):
            if not is_listener_of(record.id, stream):
                return False
            whole, _ = await self.log.can_tell(record.id, stream, place)
            return whole
        # Whether it runs comes first: one that ends in between has left its answer in the log.
        runs = bool(await cast(Any, self._redis.hexists(keys.calls(record.id), stream)))
        whole, anything = await self.log.can_tell(record.id, stream, place)
        # A call that has ended is worth coming back for only if it left something behind that place.
        return whole and (anything or runs)

    async def request_id_of(self, record: SessionRecord, stream: str) -> RequestId | None:
        """The id of the request behind a stream, while that runs."""
        registered = await cast(Any, self._redis.hget(keys.calls(record.id), stream))
        return None if registered is None else _Registration.from_json(registered).request.id

    async def look_after(self, record: SessionRecord, stream: str) -> bool:
        """Whether the call behind a stream still runs; one whose process died is settled here.

        Called by whoever reads the stream, with the principal of the session as the current one.
        """
        registered = await cast(Any, self._redis.hget(keys.calls(record.id), stream))
        if registered is None:
            return False
        if not self._leases.can_judge:
            return True
        if own := [call for call in self._running.get(record.id, ()) if call.is_registered_as(stream)]:
            await self._leases.renew(self._registered[call] for call in own if call in self._registered)
            return True
        lease = keys.lease(record.id, stream)
        if not await self._leases.take(lease, self._process):
            return True
        if not await cast(Any, self._redis.hexists(keys.calls(record.id), stream)):
            await self._redis.delete(lease)  # it has just ended, and its process gave the lease up
            return False
        registration = _Registration.from_json(registered)
        call = registration.request
        facts = {"session": record.id[:8], "method": call.method, "call": call.id}
        losses = registration.losses + 1
        if losses < _MAX_LOSSES and await self._may_repeat(call.method, call.params):
            logger.warning("a lost call runs again", extra=facts)
            told = await self._last_progress(record.id, progress_token_from_params(call.params))
            exchange = self._start(record, call, {}, stream=stream, losses=losses)
            exchange.last_progress = told
            await exchange.become_stream()
        else:
            logger.warning("a lost call is given up", extra=facts)
            error = ErrorData(code=INTERNAL_ERROR, message=WORKER_LOST, data={"reason": "worker_lost"})
            answer = Outcome.failed(error).response(call.id)
            await self._settle(record.id, stream, answer)
        return True

    async def _last_progress(self, session_id: str, token: ProgressToken | None) -> float:
        """The last progress that the log holds for a token."""
        told, place = -math.inf, START
        while token is not None and (entries := await self.log.entries(session_id, place)):
            place = entries[-1][0]
            for data in (fields["data"] for _, fields in entries if _PROGRESS in fields["data"]):
                message = json.loads(data)
                if message.get("method") == _PROGRESS and message["params"]["progressToken"] == token:
                    told = message["params"]["progress"]
        return told

    async def drain(self) -> None:
        """Stop running calls and give up their leases: whoever reads their streams next settles them."""
        running = {exchange: task for calls in self._running.values() for exchange, task in calls.items()}
        try:
            await asyncio.gather(*(exchange.become_stream() for exchange in running))
            for exchange, task in running.items():
                if not exchange.has_answered:
                    task.cancel()
            if running:
                await asyncio.wait(running.values(), timeout=_HAND_OVER_SECONDS)
            async with self._redis.pipeline(transaction=False) as pipe:
                for exchange in running:
                    # That this process ends is no fault of the call's, and no loss.
                    registration = replace(_Registration.of(exchange), losses=exchange.losses - 1)
                    await self._hand_over(
                        keys=_under_lease(exchange),
                        args=[exchange.stream, registration.to_json()],
                        client=pipe,
                    )
                await pipe.execute()
        except Unavailable:
            logger.warning("calls were not handed over: Redis cannot be reached")

    async def beat(self) -> None:
        """Keep the sessions of this process's calls in use; a call whose session has ended is cancelled.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        for session_id in await self.sessions.keep({exchange.session_id for exchange in self._registered}):
            self._cancel(session_id)  # the message about its end was lost

    def _taken_over(self, exchange: SessionCall) -> None:
        """End a call in silence that is another process's by now, or nobody's."""
        task = self._running.get(exchange.session_id, {}).get(exchange)
        if task is not None and not exchange.has_answered:
            logger.warning(
                "another process took over this call; cancelling it here",
                extra={"session": exchange.session_id[:8]},
            )
            task.cancel()

    async def _settle(self, session_id: str, stream: str, answer: bytes | None) -> None:
        log, ends = keys.events(session_id), keys.ends(session_id)
        await self._settle_once(
            keys=[keys.calls(session_id), keys.lease(session_id, stream), log, ends],
            args=[stream, answer or b"", *limits()],
        )
        if answer is not None:
            await self.log.wake(session_id, stream)
        else:
            await self.streams.close(session_id, stream, complete=True)

    def _done(self, exchange: SessionCall, task: asyncio.Task[None]) -> None:
        exchange.end()
        exchanges = self._running[exchange.session_id]
        exchanges.pop(exchange, None)
        if not exchanges:
            self._running.pop(exchange.session_id, None)
        if (lease := self._registered.pop(exchange, None)) is not None:
            self._leases.drop(lease)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("call crashed", exc_info=error)

    def _cancel(self, session_id: str, request_id: RequestId | None = None) -> None:
        for exchange, task in list(self._running.get(session_id, {}).items()):
            # `1` and `"1"` are two ids (JSON-RPC 2.0 §4), and so they are in Python.
            if request_id is None or exchange.request_id == request_id:
                self._break_off(exchange, task)

    def abandon(self, record: SessionRecord, exchange: SessionCall) -> None:
        """Break off a call that nobody will get an answer to."""
        if (task := self._running.get(record.id, {}).get(exchange)) is not None:
            self._break_off(exchange, task)

    @staticmethod
    def _break_off(exchange: SessionCall, task: asyncio.Task[None], failure: Exception | None = None) -> None:
        if exchange.has_answered:
            return  # too late; an answer that is being written down must not be torn
        exchange.cancel(failure)
        task.cancel()

    def _on_cancel(self, message: dict[str, Any]) -> None:
        request_id = json.loads(message["request"])
        if isinstance(request_id, int | str) and not isinstance(request_id, bool):
            self._cancel(message["session"], request_id)

    def _on_ended(self, message: dict[str, Any]) -> None:
        self._cancel(message["session"])

    def _on_withdrawn(self, message: dict[str, Any]) -> None:
        """End the calls of a token that was withdrawn. A client that comes back for one finds an error."""
        for exchange, task in [each for calls in self._running.values() for each in calls.items()]:
            if is_withdrawn_by(message, exchange.token):
                self._break_off(exchange, task, TokenWithdrawn())


def _under_lease(exchange: SessionCall) -> list[str]:
    """The keys that say of a call that it runs: those of its registration and its lease."""
    return [keys.calls(exchange.session_id), keys.lease(exchange.session_id, exchange.stream)]
