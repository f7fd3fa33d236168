"""Streamable HTTP: the endpoint `/mcp`, for every protocol revision that has it.

2025-03-26 to 2025-11-25 have sessions: GET, POST and DELETE are served here, on sessions that no process
owns. 2026-07-28 has none: it is served by `stateless`. Which of them a request is for, `era` decides.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from mcp_types import JSONRPCNotification, JSONRPCRequest, RequestId

from mcp_app.auth.tokens import Principal
from mcp_app.calls.call import SessionCall
from mcp_app.calls.initialize import initialize
from mcp_app.conf import conf
from mcp_app.protocol.messages import InvalidMessage, MalformedAnswer, as_batch, as_message, decode
from mcp_app.runtime import Runtime
from mcp_app.sessions.event_stream import EventStream, ReplyStream
from mcp_app.sessions.events import START, event_id, is_listener, new_listener_stream, parse_event_id
from mcp_app.sessions.record import SessionRecord
from mcp_app.transports import era, errors, framing
from mcp_app.transports.event_streams import send_stream
from mcp_app.transports.guard import check_scopes
from mcp_app.transports.request import (
    HeaderList,
    Receive,
    Scope,
    Send,
    accepts,
    headers_of,
    read_post,
    remember_request_id,
)
from mcp_app.transports.responses import COMMON_HEADERS, JSON_HEADERS, respond, respond_error
from mcp_app.transports.stateless import Stateless

logger = logging.getLogger(__name__)

_SESSION_ID = "mcp-session-id"

_BATCHES_REVISION = "2025-03-26"
"""The only revision that has JSON-RPC batches (Streamable HTTP, Sending Messages)."""

MAX_BATCH = 100
"""How many messages a batch may have."""


class StreamableHttp:
    """The ASGI application behind the guard."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stateless = Stateless(runtime)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        if scope["method"] == "POST":
            await self._post(scope, receive, send, headers)
            return
        if era.is_modern(headers):
            raise errors.method_not_allowed("POST")
        match scope["method"]:
            case "GET":
                await self._get(scope, receive, send, headers)
            case "DELETE":
                await self._delete(scope, send, headers)
            case _:
                raise errors.method_not_allowed("GET, POST, DELETE")

    async def _post(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        principal: Principal = scope["user"]
        decoded: Any = None
        message, fault = None, None
        try:
            decoded = decode(await read_post(scope, receive, headers), conf.max_body_values)
            message = None if isinstance(decoded, list) else as_message(decoded)
        except (errors.HttpError, InvalidMessage) as error:
            fault = error
        if isinstance(message, JSONRPCRequest):
            remember_request_id(scope, message.id)
        is_modern = era.is_modern(headers, message)  # which comes first: its rules may be others
        if fault is not None:
            if isinstance(fault, MalformedAnswer) and not is_modern:
                record = await self._session(headers, principal)
                await self._runtime.calls.client_requests.reject(record.id, fault)
            raise fault
        if message is None:
            if is_modern:
                as_message(decoded)  # which it is not
            await self._batch(scope, receive, send, headers, decoded)
            return
        if is_modern:
            await self._stateless(scope, receive, send, headers, message)
            return
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            await self._initialize(send, message, headers, principal)
            return
        await check_scopes(self._runtime, principal, message)
        record = await self._session(headers, principal)
        match message:
            case JSONRPCRequest():
                exchange = self._runtime.calls.start(record, message, headers)
                await exchange.wait(conf.stream_after_seconds)
                await self._answer(scope, receive, send, record, exchange)
            case JSONRPCNotification():
                await self._runtime.calls.notified(record, message, headers)
                await respond(send, 202, headers=COMMON_HEADERS)
            case _:
                await self._runtime.calls.client_requests.deliver(record.id, message)
                await respond(send, 202, headers=COMMON_HEADERS)

    async def _batch(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: dict[str, str],
        decoded: list[Any],
    ) -> None:
        record = await self._session(headers, scope["user"])
        if record.protocol_version != _BATCHES_REVISION:
            as_message(decoded)  # which it is not
        try:
            messages = as_batch(decoded, MAX_BATCH)
        except MalformedAnswer as malformed:
            await self._runtime.calls.client_requests.reject(record.id, malformed)
            raise
        for message in messages:
            era.is_modern(headers, message)  # which it is not
            await check_scopes(self._runtime, scope["user"], message)
        calls = self._runtime.calls
        exchanges: list[SessionCall] = []
        calls.check_room(record, sum(isinstance(message, JSONRPCRequest) for message in messages))
        try:
            for message in messages:
                match message:
                    case JSONRPCRequest():
                        exchanges.append(calls.start(record, message, headers))
                        await exchanges[-1].become_stream()
                    case JSONRPCNotification():
                        await calls.notified(record, message, headers)
                    case _:
                        await calls.client_requests.deliver(record.id, message)
        except BaseException:
            for exchange in exchanges:
                calls.abandon(record, exchange)  # a batch is refused as a whole
            raise
        if not exchanges:
            await respond(send, 202, headers=COMMON_HEADERS)
            return
        stream = self._reply_stream(record, exchanges)
        owed = {exchange.stream: exchange.request_id for exchange in exchanges}
        await send_stream(self._runtime, scope, receive, send, stream, framing.KEEP_ALIVE, owed=owed)

    async def _initialize(
        self, send: Send, request: JSONRPCRequest, headers: dict[str, str], principal: Principal
    ) -> None:
        try:
            record, outcome = await initialize(
                self._runtime.calls,
                self._runtime.sessions.new(principal.owner, principal.person, principal.client_id),
                request,
                headers,
                store=self._runtime.sessions.create,
            )
        except Exception as error:
            if (refusal := errors.from_exception(error)) is None:
                raise
            await respond_error(send, refusal, request.id)
            return
        session = [] if record is None else [(_SESSION_ID.encode(), record.id.encode())]
        await _respond(send, outcome.response(request.id), outcome.unavailable, session)

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        record: SessionRecord,
        exchange: SessionCall,
    ) -> None:
        """Answer with JSON what has ended quickly and silently, anything else with an event stream."""
        if exchange.answer is not None and not exchange.is_stream:
            await _respond(send, exchange.answer, exchange.failure)
            return
        if exchange.is_cancelled and not exchange.is_stream:
            # A cancelled request gets no answer; this is how a response without one looks.
            await respond(send, 200, headers=framing.STREAM_HEADERS)
            return
        await self._runtime.calls.promise(record, exchange)
        stream = self._reply_stream(record, [exchange])
        owed = {exchange.stream: exchange.request_id}
        opening = _opening(record, exchange.stream, START)
        await send_stream(self._runtime, scope, receive, send, stream, opening, owed=owed)

    def _reply_stream(self, record: SessionRecord, exchanges: Sequence[SessionCall]) -> ReplyStream:
        """The stream that answers these, the first of which was registered first, from their beginning."""
        stream = self._runtime.streams.reply(
            record,
            [exchange.stream for exchange in exchanges],
            self._runtime.calls.look_after,
            exchanges[0].begins_after,
        )
        for exchange in exchanges:
            exchange.answered_by(stream)
        return stream

    async def _get(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        if not accepts(headers, "text/event-stream"):
            raise errors.HttpError(406, "A GET must accept text/event-stream.")
        if self._runtime.is_draining:
            raise errors.shutting_down()
        record = await self._session(headers, scope["user"])
        streams = self._runtime.streams
        last_event_id = headers.get("last-event-id")
        stream: EventStream
        owed: dict[str, RequestId | None] | None = None
        if not last_event_id:
            name, place = new_listener_stream(record.id), START
            stream = streams.standalone(record, name, place, resumed=False)
        else:
            resumed = parse_event_id(last_event_id)
            if resumed is None:
                raise errors.unknown_event_id()
            if not await self._runtime.calls.can_resume(record, *resumed):
                if not await self._runtime.log.is_over(record.id, *resumed):
                    raise errors.unknown_event_id()
                # There is nothing to reconnect for (HTML, Server-sent events, Processing model).
                await respond(send, 204, headers=COMMON_HEADERS)
                return
            name, place = resumed
            await streams.close(record.id, name)  # the connection that this one takes the place of
            if is_listener(name):
                stream = streams.standalone(record, name, place, resumed=True)
            else:
                owed = {name: await self._runtime.calls.request_id_of(record, name)}
                stream = streams.resumed_reply(record, name, place, self._runtime.calls.look_after)
        opening = _opening(record, name, place)
        await send_stream(self._runtime, scope, receive, send, stream, opening, owed=owed)

    async def _delete(self, scope: Scope, send: Send, headers: dict[str, str]) -> None:
        record = await self._session(headers, scope["user"])
        await self._runtime.sessions.end(record.id)
        logger.info("session ended by its client", extra={"session": record.id[:8]})
        await respond(send, 204, headers=COMMON_HEADERS)

    async def _session(self, headers: dict[str, str], principal: Principal) -> SessionRecord:
        """The session that a request names, if it is the requester's own."""
        session_id = headers.get(_SESSION_ID)
        if not session_id:
            raise errors.HttpError(
                400, "The Mcp-Session-Id header is missing; send `initialize` first, whose answer has it."
            )
        return await self._runtime.sessions.get_own(session_id, principal.owner)


async def _respond(send: Send, answer: bytes, failure: Exception | None, headers: HeaderList = ()) -> None:
    """Send an answer, with the status of what kept the request from being done."""
    refusal = None if failure is None else errors.from_exception(failure)
    status, more = (200, ()) if refusal is None else (refusal.status, refusal.headers)
    await respond(send, status, answer, [*headers, *JSON_HEADERS, *more])


def _opening(record: SessionRecord, stream: str, place: str) -> bytes:
    """The first bytes of a stream; without any, the response head would not be sent."""
    if record.has_priming:
        return framing.priming(event_id(stream, place), conf.retry_milliseconds)
    return framing.KEEP_ALIVE
