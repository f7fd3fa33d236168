"""Calls: the exchanges that run in this process, and what becomes of those whose process died.

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
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pydantic_core
from mcp.server.connection import Connection
from mcp.server.lowlevel.server import Server
from mcp.server.runner import ServerRunner
from mcp_types import INTERNAL_ERROR, JSONRPCNotification, JSONRPCRequest, RequestId
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from mcp_app.conf import conf
from mcp_app.sessions import keys
from mcp_app.sessions.cancelling import heed_cancellation
from mcp_app.sessions.client_requests import ClientRequests
from mcp_app.sessions.event_log import PENDING, PUT, START, is_listener, limits
from mcp_app.sessions.exchange import Answer, Exchange, SessionChannel
from mcp_app.sessions.mailbox import Mailbox
from mcp_app.sessions.record import ENDED, LiveSession, SessionRecord, SessionStore
from mcp_app.sessions.streams import Streams

logger = logging.getLogger(__name__)

CANCEL = "call.cancel"
WORKER_LOST = "The process that ran this call was lost before it could answer; the call was not repeated."

_FINISH_SECONDS = 60.0
"""How long a call tries to put its answer into the log while Redis does not answer."""

_RETRY_SECONDS = 0.5
"""How often renewing leases is tried while Redis does not answer."""

_HAND_OVER_SECONDS = 2.0
"""How long a call may take to clean up when its process ends."""

# Logs the answer to a call that nobody has settled yet: a process that was thought dead may come back.
# KEYS: calls, lease, log, ends. ARGV: stream, destination, answer or nothing, length, bytes and seconds of
# the log.
_SETTLE = (
    PUT
    + """
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('DEL', KEYS[2])
if ARGV[3] ~= '' then
  put(KEYS[3], KEYS[4], ARGV[4], ARGV[5], ARGV[6], ARGV[2], ARGV[3], ARGV[1] == ARGV[2])
end
return 1
"""
)

MayRepeat = Callable[[JSONRPCRequest], Awaitable[bool]]
"""Whether a request can be run a second time without harm."""


@dataclass(frozen=True)
class _Registration:
    """What is known in Redis of a running call: enough to run it again."""

    request: JSONRPCRequest
    destination: str

    @classmethod
    def of(cls, exchange: Exchange) -> _Registration:
        assert isinstance(exchange.request, JSONRPCRequest)
        return cls(exchange.request, exchange.destination)

    def to_json(self) -> str:
        return json.dumps({"request": self.request.model_dump(mode="json"), "to": self.destination})

    @classmethod
    def from_json(cls, text: str) -> _Registration:
        fields = json.loads(text)
        return cls(JSONRPCRequest.model_validate(fields["request"]), fields["to"])


class TooManyCalls(Exception):
    """The session has as many calls running in this process as it may have."""


class Calls:
    """The running calls of this process."""

    def __init__(
        self,
        redis: Redis,
        mailbox: Mailbox,
        sessions: SessionStore,
        streams: Streams,
        server: Server[Any],
        lifespan_state: Any,
        may_repeat: MayRepeat,
    ) -> None:
        self.sessions = sessions
        self.streams = streams
        self.log = streams.log
        self.client_requests = ClientRequests(redis, mailbox)
        self.server = server
        self.lifespan_state = lifespan_state
        self._redis = redis
        self._mailbox = mailbox
        self._may_repeat = may_repeat
        self._settle_once = redis.register_script(_SETTLE)
        self._running: dict[str, dict[Exchange, asyncio.Task[None]]] = defaultdict(dict)
        self._registered: set[Exchange] = set()
        self._renewed_at: float | None = time.monotonic()
        self._judges_from = -math.inf
        mailbox.on(CANCEL, self._on_cancel)
        mailbox.on(ENDED, self._on_ended)

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
        destination: str | None = None,
    ) -> Exchange:
        """Run a request in a task of this process.

        Args:
            record: The session.
            request: What to run.
            headers: Of the HTTP request.
            stream: The name of the stream that a lost call has already.
            destination: Where messages go if not onto the call's own stream.

        Raises:
            TooManyCalls: The session has `MCP_MAX_CALLS` running here.
        """
        self.check_room(record, 1)
        exchanges = self._running[record.id]
        exchange = Exchange(self, record, request, headers, stream, destination)
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
            await self._mailbox.broadcast(
                # As JSON: it may be of any kind or size, which the channel layer's format may not.
                {"type": CANCEL, "session": record.id, "request": json.dumps(params.get("requestId"))}
            )
            return
        # The runner's notification side is public; it has no driver like `serve_one` of its own.
        live_session = LiveSession(self.sessions, record)
        connection = Connection(
            SessionChannel(self, live_session),
            protocol_version=record.protocol_version,
            session_id=record.id,
            client_params=record.client_params,
        )
        context = Exchange(self, record, notification, headers)
        await ServerRunner(self.server, connection, self.lifespan_state).on_notify(
            context, notification.method, notification.params
        )

    async def register(self, exchange: Exchange) -> None:
        """Put a call under a lease, before its stream begins."""
        calls = keys.calls(exchange.session_id)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(calls, exchange.stream, _Registration.of(exchange).to_json())
            pipe.expire(calls, conf.session_idle_seconds)
            self._take_lease(pipe, exchange.session_id, exchange.stream)
            pipe.xrevrange(keys.events(exchange.session_id), count=1)
            *_, last = await pipe.execute()
        exchange.begins_after = last[0][0] if last else START
        if not exchange.has_ended:
            self._registered.add(exchange)

    async def finish(self, exchange: Exchange, answer: Answer | None) -> None:
        """Put the answer of a registered call into the log; without an answer its stream just ends."""
        await exchange.become_stream()
        deadline = time.monotonic() + _FINISH_SECONDS
        while True:
            try:
                await self._settle(exchange.session_id, exchange.stream, exchange.destination, answer)
                return
            except (RedisError, OSError):
                if time.monotonic() > deadline:
                    logger.error("an answer was lost: Redis cannot be reached")
                    return
                await asyncio.sleep(1.0)

    async def can_resume(self, record: SessionRecord, stream: str, place: str) -> bool:
        """Whether what followed a place of a stream can still be told, all of it."""
        whole, anything = await self.log.can_tell(record.id, stream, place)
        # A call that has ended is worth coming back for only if it left something behind that place.
        return whole and (
            anything
            or is_listener(stream)
            or bool(await cast(Any, self._redis.hexists(keys.calls(record.id), stream)))
        )

    async def look_after(self, record: SessionRecord, stream: str) -> bool:
        """Whether the call behind a stream still runs; one whose process died is settled here.

        Called by whoever reads the stream, with the principal of the session as the current one.
        """
        registered = await cast(Any, self._redis.hget(keys.calls(record.id), stream))
        if registered is None:
            return False
        if not self._can_judge():
            return True
        if any(call.is_stream and call.stream == stream for call in self._running.get(record.id, ())):
            await self._take_lease(self._redis, record.id, stream)
            return True
        if not await self._take_lease(self._redis, record.id, stream, if_free=True):
            return True
        if not await cast(Any, self._redis.hexists(keys.calls(record.id), stream)):
            # It has just ended, and its process gave the lease up.
            await self._redis.delete(keys.lease(record.id, stream))
            return False
        registration = _Registration.from_json(registered)
        call = registration.request
        facts = {"session": record.id[:8], "method": call.method, "call": call.id}
        if await self._may_repeat(call):
            logger.warning("a lost call runs again", extra=facts)
            exchange = self.start(record, call, {}, stream=stream, destination=registration.destination)
            await exchange.become_stream()
        else:
            logger.warning("a lost call is given up", extra=facts)
            error = {"code": INTERNAL_ERROR, "message": WORKER_LOST, "data": {"reason": "worker_lost"}}
            answer: Answer = {"jsonrpc": "2.0", "id": call.id, "error": error}
            await self._settle(record.id, stream, registration.destination, answer)
        return True

    async def look_after_all(self, record: SessionRecord) -> None:
        """Settle every call of a session whose process died, where all of them share one stream."""
        for stream in await cast(Any, self._redis.hkeys(keys.calls(record.id))):
            await self.look_after(record, stream)

    async def hand_over(self) -> None:
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
                    pipe.delete(keys.lease(exchange.session_id, exchange.stream))
                await pipe.execute()
        except (RedisError, OSError):
            logger.warning("calls were not handed over: Redis cannot be reached")

    async def renew_leases(self) -> None:
        """Renew the leases of this process's calls, and the sessions they belong to, until cancelled."""
        while True:
            heed_cancellation()
            await asyncio.sleep(conf.lease_seconds / 3 if self._renewed_at else _RETRY_SECONDS)
            try:
                await self._renew_leases()
            except (RedisError, OSError):
                self._renewed_at = None
                logger.warning("leases could not be renewed: Redis cannot be reached")

    async def _renew_leases(self) -> None:
        registered = list(self._registered)
        async with self._redis.pipeline(transaction=False) as pipe:
            for exchange in registered:
                self._take_lease(pipe, exchange.session_id, exchange.stream)
            pipe.ping()
            await pipe.execute()
        now = time.monotonic()
        if self._renewed_at is None:
            self._judges_from = now + conf.lease_seconds
        self._renewed_at = now
        for session_id in {exchange.session_id for exchange in registered}:
            if await self.sessions.get(session_id) is None:
                self._cancel(session_id)  # it has ended, and the message about that was lost

    def _take_lease(
        self, redis: Redis | Pipeline, session_id: str, stream: str, *, if_free: bool = False
    ) -> Awaitable[Any]:
        """Take the lease of a call for this process, or renew it; None when another holds it `if_free`."""
        seconds = max(1, round(conf.lease_seconds))
        return redis.set(keys.lease(session_id, stream), self._mailbox.address, nx=if_free, ex=seconds)

    def _can_judge(self) -> bool:
        """Whether an expired lease means that its process is dead.

        After an outage of Redis every lease has expired: their processes are given time to renew them.
        """
        if self._renewed_at is None:
            return False
        now = time.monotonic()
        return now >= self._judges_from and now - self._renewed_at < conf.lease_seconds

    async def _settle(self, session_id: str, stream: str, destination: str, answer: Answer | None) -> None:
        log = keys.pending(session_id) if destination == PENDING else keys.events(session_id)
        await self._settle_once(
            keys=[keys.calls(session_id), keys.lease(session_id, stream), log, keys.ends(session_id)],
            args=[
                stream,
                destination,
                "" if answer is None else pydantic_core.to_json(answer).decode(),
                *limits(),
            ],
        )
        if answer is not None:
            await self.log.wake(session_id, destination)
        else:
            await self.streams.close(session_id, stream, complete=True)

    def _done(self, exchange: Exchange, task: asyncio.Task[None]) -> None:
        exchange.end()
        exchanges = self._running[exchange.session_id]
        exchanges.pop(exchange, None)
        if not exchanges:
            self._running.pop(exchange.session_id, None)
        self._registered.discard(exchange)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("an exchange failed", exc_info=error)

    def _cancel(self, session_id: str, request_id: RequestId | None = None) -> None:
        for exchange, task in list(self._running.get(session_id, {}).items()):
            # `1` and `"1"` are two ids (JSON-RPC 2.0 §4), and so they are in Python.
            if request_id is None or exchange.request_id == request_id:
                self._break_off(exchange, task)

    def abandon(self, record: SessionRecord, exchange: Exchange) -> None:
        """Break off a call that nobody will get an answer to."""
        if (task := self._running.get(record.id, {}).get(exchange)) is not None:
            self._break_off(exchange, task)

    @staticmethod
    def _break_off(exchange: Exchange, task: asyncio.Task[None]) -> None:
        if exchange.has_answered:
            return  # too late; an answer that is being written down must not be torn
        exchange.cancel()
        task.cancel()

    def _on_cancel(self, message: dict[str, Any]) -> None:
        request_id = json.loads(message["request"])
        if isinstance(request_id, int | str) and not isinstance(request_id, bool):
            self._cancel(message["session"], request_id)

    def _on_ended(self, message: dict[str, Any]) -> None:
        self._cancel(message["session"])
