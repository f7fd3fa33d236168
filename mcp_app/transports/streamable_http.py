"""Streamable HTTP: the endpoint `/mcp`, for every protocol revision that has it.

2025-03-26 to 2025-11-25 have sessions, and are served here. 2026-07-28 has none, and is served by
`stateless`. `era` decides which one a request is for.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from typing import Any

from mcp_types import JSONRPCNotification, JSONRPCRequest, RequestId

from mcp_app.calls.call import SessionCall
from mcp_app.calls.initialize import initialize
from mcp_app.calls.registry import NotResumable
from mcp_app.calls.state import State
from mcp_app.conf import conf
from mcp_app.coordination.limits import QuotaExceeded
from mcp_app.ids import short_id
from mcp_app.protocol.messages import InvalidMessage, MalformedAnswer, Message, as_batch, as_message, decode
from mcp_app.runtime import Runtime
from mcp_app.sessions.event_stream import EventStream, ReplyStream
from mcp_app.sessions.events import (
    START,
    event_id,
    is_standalone,
    new_standalone_stream,
    order,
    parse_event_id,
)
from mcp_app.sessions.record import SessionRecord
from mcp_app.transports import era, errors, framing
from mcp_app.transports.event_streams import send_stream
from mcp_app.transports.request import Request
from mcp_app.transports.responses import COMMON_HEADERS, JSON_HEADERS, respond
from mcp_app.transports.stateless import Stateless

logger = logging.getLogger(__name__)

_SESSION_ID = b"mcp-session-id"

_BATCHES_REVISION = "2025-03-26"
"""The only revision with JSON-RPC batches (Streamable HTTP, Sending Messages)."""

MAX_BATCH = 100
"""How many messages a batch may have."""


class StreamableHttp:
    """The endpoint, behind the guard."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stateless = Stateless(runtime)

    def __call__(self, request: Request) -> Awaitable[None]:
        if request.method == "POST":
            return self._post(request)
        if era.is_modern(request.headers):
            raise errors.method_not_allowed("POST")
        match request.method:
            case "GET":
                return self._get(request)
            case "DELETE":
                return self._delete(request)
            case _:
                raise errors.method_not_allowed("GET, POST, DELETE")

    async def _post(self, request: Request) -> None:
        decoded: Any = None
        message, fault = None, None
        try:
            decoded = decode(await request.read_post(), conf.max_body_values)
            message = None if isinstance(decoded, list) else as_message(decoded)
        except (errors.HttpError, InvalidMessage) as error:
            fault = error
        if message is not None:
            request.set_message(message)
        is_modern = era.is_modern(request.headers, message)  # first, as it decides which rules apply
        if fault is not None:
            if isinstance(fault, MalformedAnswer) and not is_modern:
                record = await self._session(request)
                await self._runtime.client_requests.reject(record, fault)
            raise fault
        if message is None:
            if is_modern:
                as_message(decoded)  # raises: a batch is not a message
            await self._batch(request, decoded)
            return
        if is_modern:
            await self._stateless(request, message)
            return
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            await self._initialize(request, message)
            return
        record = await self._session(request)
        self._record_use(request, record)
        await self._admit(request, [message])
        match message:
            case JSONRPCRequest():
                call = self._runtime.calls.start(record, message, request.headers)
                await call.wait(conf.stream_after_seconds)
                await self._respond_to(request, record, call)
            case JSONRPCNotification():
                await self._runtime.calls.notified(record, message, request.headers)
                request.tell_answered(self._runtime.observers, "accepted")
                await respond(request.send, 202, headers=COMMON_HEADERS)
            case _:
                await self._runtime.client_requests.deliver(record, message)
                request.tell_answered(self._runtime.observers, "accepted")
                await respond(request.send, 202, headers=COMMON_HEADERS)

    async def _batch(self, request: Request, decoded: list[Any]) -> None:
        record = await self._session(request)
        self._record_use(request, record)
        if record.protocol_version != _BATCHES_REVISION:
            as_message(decoded)  # raises: a batch is not a message
        try:
            messages = as_batch(decoded, MAX_BATCH)
        except MalformedAnswer as malformed:
            await self._runtime.client_requests.reject(record, malformed)
            raise
        for message in messages:
            era.is_modern(request.headers, message)  # raises if header and `_meta` disagree
        request.set_batch(messages)
        await self._admit(request, messages)
        calls = self._runtime.calls
        requests = [message for message in messages if isinstance(message, JSONRPCRequest)]
        running = [calls.start(record, each, request.headers, deferred=True) for each in requests]
        try:
            for call in running:
                await call.register()
            for message in messages:
                if isinstance(message, JSONRPCNotification):
                    await calls.notified(record, message, request.headers)
                elif not isinstance(message, JSONRPCRequest):
                    await self._runtime.client_requests.deliver(record, message)
        except BaseException:
            for call in running:
                call.reject()  # a batch is rejected as a whole
            raise
        for call in running:
            call.release()
        if len(running) < len(messages):
            request.tell_answered(self._runtime.observers, "accepted")  # the messages that are not calls
        if not running:
            await respond(request.send, 202, headers=COMMON_HEADERS)
            return
        running = [call for call in running if not call.is_over_without_response]
        if not running:
            await _respond_to_cancelled(request)
            return
        stream = self._reply_stream(record, running)
        ids = {call.stream: call.request_id for call in running}
        await send_stream(self._runtime, request, stream, framing.KEEP_ALIVE, requests=ids)

    def _record_use(self, request: Request, record: SessionRecord) -> None:
        """Record that this user has used this client."""
        software = record.client_params and record.client_params.client_info
        seen = self._runtime.last_seen
        seen.note(request.principal, record.protocol_version, software, "Streamable HTTP")

    def _admit(self, request: Request, messages: Sequence[Message]) -> Awaitable[None]:
        admission = self._runtime.admission
        return admission.admit(request.principal, messages, is_past_rate=request.is_past_rate)

    async def _initialize(self, request: Request, message: JSONRPCRequest) -> None:
        await self._admit(request, [message])
        principal = request.principal
        record, outcome = await initialize(
            self._runtime.calls.backend,
            self._runtime.sessions.new(
                principal.owner, principal.person, principal.client_id, principal.client_name
            ),
            message,
            request.headers,
            store=self._runtime.sessions.create,
        )
        session = []
        if record is not None:
            self._record_use(request, record)
            session = [(_SESSION_ID, record.id.encode())]
        await self._respond(request, outcome.response(message.id), outcome.failure, session)

    async def _respond_to(self, request: Request, record: SessionRecord, call: SessionCall) -> None:
        """Respond with JSON if the call has ended quietly, otherwise with an event stream."""
        if call.response is None and call.state is not State.ENDED:
            await call.start_streaming()
        if call.response is not None:
            await self._respond(request, call.response, call.failure)
        elif call.position is None:
            if not call.cancel_requested.is_set():
                raise errors.worker_lost()  # the process is stopping, and could not hand the call over
            await _respond_to_cancelled(request)
        else:
            stream = self._reply_stream(record, [call])
            requests = {call.stream: call.request_id}
            opening = _opening(record, call.stream, START)
            await send_stream(self._runtime, request, stream, opening, requests=requests)

    def _reply_stream(self, record: SessionRecord, running: Sequence[SessionCall]) -> ReplyStream:
        """The stream of these calls, from the start."""
        stream = self._runtime.streams.reply(
            record,
            [call.stream for call in running],
            self._runtime.recovery.recover_if_lost,
            min((call.position or START for call in running), key=order),
        )
        for call in running:
            call.attach_stream(stream)
        return stream

    async def _get(self, request: Request) -> None:
        if not request.accepts("text/event-stream"):
            raise errors.HttpError(406, "A GET must accept text/event-stream.")
        if self._runtime.is_draining:
            raise errors.shutting_down()
        record = await self._session(request)
        streams = self._runtime.streams
        last_event_id = request.headers.get("last-event-id")
        if request.is_past_rate and not last_event_id:
            raise self._runtime.quotas.rate_exceeded(request.principal.person_key)
        stream: EventStream
        requests: dict[str, RequestId | None] | None = None
        if not last_event_id:
            name, position = new_standalone_stream(record.id), START
            stream = streams.standalone(record, name, position, resumed=False)
        else:
            resumed = parse_event_id(last_event_id)
            if resumed is None:
                raise _unknown_event_id(record, "malformed")
            try:
                replay = await self._runtime.registry.find_replay(record, *resumed)
            except NotResumable as obstacle:
                if not await self._runtime.log.is_over(record.id, *resumed):
                    raise _unknown_event_id(record, str(obstacle)) from obstacle
                # There is nothing to reconnect for (HTML, Server-sent events, Processing model).
                request.tell_answered(self._runtime.observers, "result")
                await respond(request.send, 204, headers=COMMON_HEADERS)
                return
            name, position = resumed
            if is_standalone(name):
                stream = streams.standalone(record, name, position, resumed=True, scan_from=replay.scan_from)
            else:
                requests = {name: await self._runtime.registry.request_id(record.id, name)}
                recover = self._runtime.recovery.recover_if_lost
                stream = streams.resumed_reply(record, name, position, recover, replay.scan_from)
        opening = _opening(record, name, position)
        await send_stream(self._runtime, request, stream, opening, requests=requests)

    async def _delete(self, request: Request) -> None:
        record = await self._session(request)
        await self._runtime.sessions.end(record.id)
        logger.info("session ended by its client", extra={"session": short_id(record.id)})
        request.tell_answered(self._runtime.observers, "result")
        await respond(request.send, 204, headers=COMMON_HEADERS)

    def _respond(
        self,
        request: Request,
        response: bytes,
        failure: Exception | None,
        headers: errors.HeaderList = (),
    ) -> Awaitable[None]:
        """Send a response, with the HTTP status of the failure, if any."""
        if isinstance(failure, QuotaExceeded):
            errors.log_quota(failure, request.principal, self._runtime.quotas)
        refusal = None if failure is None else errors.from_exception(failure)
        if refusal is None:
            return respond(request.send, 200, response, [*headers, *JSON_HEADERS])
        return respond(request.send, refusal.status, response, [*headers, *JSON_HEADERS, *refusal.headers])

    def _session(self, request: Request) -> Awaitable[SessionRecord]:
        """The session in the request's headers, if it belongs to the requester."""
        session_id = request.headers.raw.get(_SESSION_ID, b"").decode("latin-1")
        if not session_id:
            raise errors.HttpError(
                400,
                "The Mcp-Session-Id header is missing; send `initialize` first; its response has it.",
            )
        return self._runtime.sessions.get_own(session_id, request.principal.owner)


def _respond_to_cancelled(request: Request) -> Awaitable[None]:
    """Send an empty event stream: a cancelled request has no response."""
    return respond(request.send, 200, headers=framing.STREAM_HEADERS)


def _unknown_event_id(record: SessionRecord, reason: str) -> errors.HttpError:
    logger.info("Last-Event-ID rejected", extra={"session": short_id(record.id), "reason": reason})
    return errors.unknown_event_id()


def _opening(record: SessionRecord, stream: str, position: str) -> bytes:
    """The first bytes of a stream; without any, the response headers would not be sent."""
    if record.has_priming:
        return framing.priming(event_id(stream, position), conf.retry_milliseconds)
    return framing.KEEP_ALIVE
