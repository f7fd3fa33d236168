"""Streamable HTTP of 2026-07-28: one request, one response, no session.

The SDK has its own entry point for this revision (`session_manager.handle_request`). This one uses the same
public parts (the inbound ladder, the error table) and differs in three ways: every rejection is a JSON-RPC
error, a quick call needs one task instead of a task group of three, and streams end when the process shuts
down or the reader falls far behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from mcp_types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCNotification,
    JSONRPCRequest,
    SubscriptionsListenResult,
)
from starlette.datastructures import Headers as RepeatedHeaders

from mcp_app.calls.admission import is_limited
from mcp_app.conf import conf
from mcp_app.coordination.limits import CALLS, STREAMS, QuotaExceeded
from mcp_app.coordination.pacing import pace_message
from mcp_app.observers import StreamFacts
from mcp_app.protocol import listen
from mcp_app.protocol.call import Call, RequestInfo
from mcp_app.protocol.messages import Message, invalid_request, notification, to_json
from mcp_app.protocol.serve import Outcome, serve, tell_answered
from mcp_app.protocol.session_features import MAX_URI_BYTES, MAX_URI_LENGTH
from mcp_app.protocol.words import shortened
from mcp_app.runtime import Runtime
from mcp_app.sdk import (
    ERROR_CODE_HTTP_STATUS,
    SUBSCRIPTION_ID_META_KEY,
    X_MCP_HEADER_KEY,
    CallOptions,
    Connection,
    InboundModernRoute,
    ServerMessageMetadata,
    validate_mcp_param_headers,
)
from mcp_app.transports import errors, framing
from mcp_app.transports.event_streams import Ending, close_stream_on_error, until_disconnected_or_revoked
from mcp_app.transports.listening_places import ListeningPlaces
from mcp_app.transports.request import Request, Send
from mcp_app.transports.responses import COMMON_HEADERS, JSON_HEADERS, respond
from mcp_app.transports.stateless_route import refusal_of, route_of

logger = logging.getLogger(__name__)

_BACKLOG = 256
"""Messages buffered per stream; when the buffer is full, the handler waits for the reader."""

_MAX_SCHEMAS = 1000
"""The maximum number of entries in the schema cache."""

_QUICK_SECONDS = 0.05
"""Calls that take longer are cancelled if the client disconnects (Cancellation)."""


class Stateless:
    """Handles the messages of this revision."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._places = ListeningPlaces()
        self._find_schema = runtime.server.session_manager.app.get_tool_input_schema
        self._schemas: dict[str, tuple[Mapping[str, Any], bool]] = {}
        """By tool: the schema that was searched, and whether any parameter is mirrored in a header."""

    async def __call__(self, request: Request, message: Message) -> None:
        if isinstance(message, JSONRPCNotification):
            # The revision defines no client notifications, so they are only acknowledged.
            request.tell_answered(self._runtime.observers, "accepted")
            await respond(request.send, 202, headers=COMMON_HEADERS)
            return
        if not isinstance(message, JSONRPCRequest):
            raise invalid_request("clients send no responses in this revision.")
        route = route_of(request, message)
        self._runtime.last_seen.note(
            request.principal, route.protocol_version, route.client_info, "Streamable HTTP"
        )
        if message.method == "tools/call":
            await self._check_param_headers(request, message.params or {})
        await self._runtime.admission.admit(
            request.principal, [message], is_past_rate=request.is_past_rate, in_session=False
        )
        if message.method == listen.METHOD:
            message = await self._admit_listening(request, message, route)
        await self._serve(request, StatelessCall(self._runtime, message, route, request))

    async def _admit_listening(
        self, request: Request, message: JSONRPCRequest, route: InboundModernRoute
    ) -> JSONRPCRequest:
        """Return the part of the request to keep while its stream is open."""
        if self._runtime.is_draining:
            raise errors.shutting_down()
        await self._runtime.quotas.ensure(request.principal.person_key, STREAMS)
        self._places.ensure(request.principal.person_key)  # no await from here until it is taken
        params = message.params and listen.within_bounds(
            message.params,
            kinds=self._runtime.engine.listen_kinds,
            client_info=route.client_info,
            max_length=MAX_URI_LENGTH,
            max_items=conf.max_subscriptions,
            max_bytes=MAX_URI_BYTES,
        )
        return message.model_copy(update={"params": params})

    async def _check_param_headers(self, request: Request, params: Mapping[str, Any]) -> None:
        """Reject a call whose `Mcp-Param-*` headers do not match its arguments.

        A tool hidden from the user is treated like an unknown one: its headers are not checked.
        """
        name, arguments = params.get("name"), params.get("arguments")
        if self._find_schema is None or not isinstance(name, str) or not isinstance(arguments, dict | None):
            return
        schema = self._find_schema(name)
        if schema is None:
            return
        known = self._schemas.get(name)
        if known is None or known[0] is not schema:
            if len(self._schemas) >= _MAX_SCHEMAS:
                self._schemas.clear()
            known = self._schemas[name] = schema, X_MCP_HEADER_KEY.encode() in to_json(schema)
        if known[1] and await self._runtime.engine.access.exists(name):
            rejection = validate_mcp_param_headers(
                schema, arguments or {}, RepeatedHeaders(raw=request.scope["headers"])
            )
            if rejection is not None:
                raise refusal_of(rejection)

    async def _serve(self, request: Request, call: StatelessCall) -> None:
        """Respond with JSON, or with a stream if the handler sends a message or takes long."""
        listens = call.method == listen.METHOD
        tasks = self._runtime.listening if listens else self._runtime.stateless_calls
        task = tasks.start(call.run())
        quotas, person = self._runtime.quotas, request.principal.person_key
        kind = STREAMS if listens else CALLS if is_limited(call.method) else None
        if kind is not None:
            quotas.use(person, kind)
        if listens:
            self._places.take(person, task)
            self._tell("stream_opened", request)
        watcher: asyncio.Task[Ending] | None = None
        try:
            await asyncio.sleep(0)  # most handlers finish without waiting
            item = await call.next(_QUICK_SECONDS)
            if item is not None:
                watcher = asyncio.create_task(
                    until_disconnected_or_revoked(self._runtime, request, listens=listens)
                )
                watcher.add_done_callback(lambda done: _end(call, task, done))
            if item == framing.KEEP_ALIVE:
                item = await call.next(conf.keep_alive_seconds)
            if item is None and call.refusal is not None:
                call.is_told = True  # by the guard
                raise call.refusal
            if item is None and call.response is not None:
                call.tell_answered()
                if isinstance(call.failure, QuotaExceeded):
                    errors.log_quota(call.failure, request.principal, quotas)
                await respond(request.send, call.status, call.response, [*JSON_HEADERS, *call.headers])
            else:
                await _send_stream(request.send, call, item)
        finally:
            call.tell_answered()  # in case it was cancelled
            task.cancel()
            if kind is not None and task.done():
                quotas.release(person, kind)
            elif kind is not None:
                task.add_done_callback(lambda _: quotas.release(person, kind))
            if watcher is not None:
                watcher.cancel()
            if listens:
                self._tell("stream_closed", request)

    def _tell(self, hook: str, request: Request) -> None:
        user, client = map(shortened, (request.principal.person, request.principal.client_id))
        self._runtime.observers.tell(hook, StreamFacts("listen", None, user, client))


def _end(call: StatelessCall, task: asyncio.Task[None], watcher: asyncio.Task[Ending]) -> None:
    """End a call whose response may be ended. A client that disconnects cancels its call."""
    ending = Ending.CLIENT if watcher.cancelled() or watcher.exception() is not None else watcher.result()
    if ending is not Ending.CLIENT and call.response is None:
        if ending is Ending.WITHDRAWN:
            call.refusal = errors.token_withdrawn()
        if call.method == listen.METHOD:
            call.close()
    task.cancel()


async def _send_stream(send: Send, call: StatelessCall, item: bytes | None) -> None:
    call.tell_streamed()
    head = [*framing.STREAM_HEADERS, *COMMON_HEADERS]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    sent = 0
    async with close_stream_on_error(send):
        while item is not None:
            await send({"type": "http.response.body", "body": item, "more_body": True})
            sent += len(item)
            if sent > conf.max_stream_bytes:
                call.cut_off(sent)
                break
            item = await call.next(conf.keep_alive_seconds)
        response = call.response
        call.tell_answered()
        if response is None and call.refusal is not None:
            response = to_json(call.refusal.body(call.request_id))
        last = b"" if response is None else framing.event_without_id(response)
        await send({"type": "http.response.body", "body": last})


class StatelessCall(Call):
    """One request. Its messages are sent on its own response; requests to the client are not possible."""

    def __init__(
        self, runtime: Runtime, message: JSONRPCRequest, route: InboundModernRoute, request: Request
    ) -> None:
        super().__init__(message.method, message.params, message.id, request.headers)
        self._person = request.principal.person_key
        self.revision = route.protocol_version
        self.observers = runtime.observers
        self._runtime = runtime
        self._route = route
        self.response: bytes | None = None
        self._outcome: Outcome | None = None
        self.status = 200
        self.failure: Exception | None = None
        self.refusal: errors.HttpError | None = None
        """Why it was cancelled."""
        self.headers: errors.HeaderList = ()
        self._has_ended = False
        self._is_told_as_stream = False
        self._outbox: asyncio.Queue[bytes | None] | None = None
        """Messages to send; None until there is one, or a reader."""

    @property
    def message_metadata(self) -> ServerMessageMetadata:
        return ServerMessageMetadata(request_context=RequestInfo(self.request_headers, None))

    @property
    def cancelled_as(self) -> str | None:
        if self.response is not None:
            return "result"  # a `subscriptions/listen` that was ended in an orderly way
        return "lost" if self._runtime.is_draining and self.refusal is None else "cancelled"

    async def next(self, seconds: float) -> bytes | None:
        """What to send next: an event, a keep-alive after `seconds` without one, or None at the end."""
        if self._outbox is None and self._has_ended:
            return None
        try:
            async with asyncio.timeout(seconds):
                return await self._opened_outbox().get()
        except TimeoutError:
            return framing.KEEP_ALIVE

    def _opened_outbox(self) -> asyncio.Queue[bytes | None]:
        if self._outbox is None:
            self._outbox = asyncio.Queue(_BACKLOG)
        return self._outbox

    def close(self) -> None:
        """Set the response of a `subscriptions/listen` whose stream is about to end ("Graceful Closure")."""
        result = SubscriptionsListenResult(_meta={SUBSCRIPTION_ID_META_KEY: self.request_id})
        self._set_response(
            Outcome.succeeded(result.model_dump(by_alias=True, mode="json", exclude_none=True))
        )

    def _set_response(self, outcome: Outcome) -> None:
        self._outcome, self.response = outcome, outcome.response(self.request_id)

    def cut_off(self, sent: int) -> None:
        """Set the response of a call that has sent all that fits on one connection, if it has none."""
        if self.response is not None or self.refusal is not None:
            return
        logger.warning("stream ended: it is too long", extra={"method": self.method, "bytes": sent})
        if self.method == listen.METHOD:
            self.close()
        else:
            self.refusal = errors.stream_too_long(conf.max_stream_bytes)

    def tell_streamed(self) -> None:
        """Tell observers, once, that the response is a stream."""
        if self.observers.watch_calls and not self._is_told_as_stream:
            self._is_told_as_stream = True
            self.observers.tell("call_streamed", self.facts)

    def tell_answered(self) -> None:
        """Tell observers, once, how it is about to be answered, or that it was cancelled."""
        outcome, refusal = self._outcome, self.refusal
        if refusal is not None and outcome is None:
            outcome = Outcome.failed(ErrorData(code=refusal.code, message=str(refusal)))
        tell_answered(self, outcome, None if refusal is None else refusal.reason)

    async def run(self) -> None:
        """Run the handler and store the encoded response; a cancelled call has none."""
        try:
            try:
                outcome = await self._serve()
            except Exception:
                logger.exception("call crashed")
                outcome = Outcome.failed(ErrorData(code=INTERNAL_ERROR, message="Internal server error"))
                self.status = 500
            if self.refusal is None and self.response is None:
                self._set_response(outcome)
            self._has_ended = True
            if self._outbox is not None:
                await self._outbox.put(None)
        except asyncio.CancelledError:
            if self._runtime.is_draining and self.response is None:
                self.refusal = self.refusal or errors.worker_lost()
            self._has_ended = True
            if self._outbox is not None:
                if self._outbox.full():  # make room for the end marker
                    self._outbox.get_nowait()
                self._outbox.put_nowait(None)
            raise

    async def _serve(self) -> Outcome:
        route, backend = self._route, self._runtime.calls.backend
        connection = Connection.from_envelope(
            route.protocol_version, route.client_info, route.client_capabilities
        )
        outcome = await serve(backend.server, self, connection, backend.lifespan_state)
        self.failure = outcome.failure
        refusal = None if outcome.failure is None else errors.from_exception(outcome.failure)
        if refusal is not None:
            self.status, self.headers = refusal.status, refusal.headers
        elif outcome.error is not None:
            self.status = ERROR_CODE_HTTP_STATUS.get(outcome.error.code, 200)
        return outcome

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        """Send a notification on the response, which makes it a stream."""
        if self.method != listen.METHOD:  # its messages are about what others do
            await pace_message(self._runtime.quotas, self._person)
        self.tell_streamed()
        await self._opened_outbox().put(framing.event_without_id(to_json(notification(method, params))))
        if self.observers.watch_calls:
            self.observers.tell("call_sent", self.facts, method)
