"""A call: one client request of a session, from its arrival to its response.

It runs in a task of its own, not in that of the HTTP request, and so outlives the connection. If it finishes
quickly and sends no messages, its response stays in memory. Otherwise all its messages, including the
response, go through the event log.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp_types import INVALID_REQUEST, ErrorData, JSONRPCNotification, JSONRPCRequest

from mcp_app.auth.tokens import TokenWithdrawn
from mcp_app.calls.backend import Backend
from mcp_app.calls.channel import SessionOutbound
from mcp_app.calls.registry import Registration
from mcp_app.calls.state import State
from mcp_app.coordination.cancellation import raise_if_cancelled
from mcp_app.coordination.leases import Lease
from mcp_app.coordination.pacing import pace_message
from mcp_app.exceptions import Unavailable
from mcp_app.ids import short_id
from mcp_app.protocol.call import Call, RequestInfo
from mcp_app.protocol.serve import Outcome, serve, tell_answered
from mcp_app.sdk import ServerMessageMetadata
from mcp_app.sessions.event_stream import EventStream
from mcp_app.sessions.events import new_reply_stream
from mcp_app.sessions.held import TooMuchHeld
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import RequestSession

logger = logging.getLogger(__name__)

ACCESS_WITHDRAWN = "The token was revoked while the request was running."

_REGISTER_RETRY_SECONDS = 1.0
"""The delay between attempts to register a call that is running."""

_APPEND_RETRY_SECONDS = 45.0
"""How long an append is retried while Redis is unavailable."""

_RESPONSE_RETRY_SECONDS = 60.0
"""How long appending the response is retried while Redis is unavailable."""

_SMALL = 4096
"""Responses up to this size are delivered even when the user is over `MCP_MAX_HELD_BYTES`."""


class SessionCall(SessionOutbound, Call):
    """One request of one session; its messages go onto its own event stream."""

    can_send_request = True

    task: asyncio.Task[None]
    _on_end: Callable[[SessionCall], None]

    state = State.QUIET

    response: bytes | None = None
    """The response of a call that stayed quiet; None if it was cancelled."""

    failure: Exception | None = None
    """Why the handler did not finish: a store was unavailable, or the token was withdrawn."""

    position: str | None = None
    """The end of the log when the call was registered, before all its events; None until then."""

    last_progress = -math.inf
    """The last progress sent before a re-run."""

    _lease: Lease | None = None
    _event_stream: EventStream | None = None
    _is_closing = False
    _has_begun = False
    _is_cancelled = False
    _may_run: asyncio.Event | None = None
    """Set when the handler of a deferred call may run; None if the call is not deferred."""
    _waiter: asyncio.Future[None] | None = None
    """Done when the call is no longer quiet, or has ended."""

    def __init__(
        self,
        backend: Backend,
        record: SessionRecord,
        request: JSONRPCRequest | JSONRPCNotification,
        headers: Mapping[str, str],
        stream: str | None = None,
        losses: int = 0,
    ) -> None:
        super().__init__(
            request.method,
            request.params,
            request.id if isinstance(request, JSONRPCRequest) else None,
            headers,
        )
        self.session_id: str = record.id
        self.revision = "" if request.method == "initialize" else record.protocol_version
        self.observers = backend.observers
        self.person_key = record.person_key
        self.token = get_access_token()
        """The token of the request."""
        self.session = RequestSession(backend.sessions, record)
        self._backend = backend
        self._client_requests = backend.client_requests
        self._request = request
        self._stream = stream
        self._losses = losses
        self.runs = losses + 1

    @property
    def message_metadata(self) -> ServerMessageMetadata:
        """The source of `ctx.request` and `ctx.close_sse_stream`. Not cached, to avoid a reference cycle."""
        has_priming = self.session.record.has_priming
        return ServerMessageMetadata(
            request_context=RequestInfo(self.request_headers, self.session),
            # Without a position to resume from the client would never get the response.
            close_sse_stream=self._close_event_stream if has_priming else None,
        )

    @cached_property
    def stream(self) -> str:
        """The name of its event stream, whether or not it is used."""
        return self._stream or new_reply_stream()

    @cached_property
    def registration(self) -> Registration:
        assert isinstance(self._request, JSONRPCRequest)
        return Registration(self.session_id, self.stream, self._request, self._losses)

    @cached_property
    def _registering(self) -> asyncio.Lock:
        """Held while the call is being registered, so that this happens once."""
        return asyncio.Lock()

    @property
    def is_running(self) -> bool:
        """Whether it can still be cancelled."""
        return self.state in (State.QUIET, State.LOGGED)

    @property
    def is_over_without_response(self) -> bool:
        """Whether it has been cancelled, and has ended."""
        return self.state is State.ENDED and self.cancel_requested.is_set() and self.failure is None

    def start(self, on_end: Callable[[SessionCall], None], *, deferred: bool = False) -> None:
        """Start its task, which ends with `on_end`. If `deferred`, the handler waits for `release`."""
        self._may_run = asyncio.Event() if deferred else None
        self._on_end = on_end
        self.task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Cancel its task, whatever it does. Another process recovers it, if it is registered."""
        self.task.cancel()
        if not self._has_begun:  # and never will
            self._has_begun = True
            self._end()

    async def wait(self, seconds: float) -> None:
        """Wait until the call is no longer quiet, at most for `seconds`. Only one task may wait."""
        await asyncio.sleep(0)  # most handlers finish without waiting, and need no timer
        if self.state is State.QUIET:
            await self._wait(seconds)

    async def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self._wake_waiter)
        try:
            await self._waiter
        finally:
            timer.cancel()

    def cancel(self, failure: Exception | None = None) -> None:
        """Cancel it, unless it already has its response.

        Args:
            failure: The reason to report to the client.
        """
        if self.is_running:
            self.failure = failure or self.failure
            self.cancel_requested.set()
            self._is_cancelled = True
            if self._has_begun:  # otherwise `_run` would not get to clean up
                self.task.cancel()

    def reject(self) -> None:
        """Cancel a deferred call; whoever rejects the request notifies observers."""
        self.is_told = True
        self.cancel()

    def release(self) -> None:
        """Run the handler of a deferred call."""
        if self._may_run is not None:
            self._may_run.set()

    async def run_registered(self) -> None:
        """Register a deferred call, and release it; if that fails, it does not run.

        Raises:
            Unavailable: It could not be registered. It has not run, so the client may try again.
        """
        try:
            await self.register()
        except BaseException:
            if self._losses:
                self.stop()  # it stays registered: the next reader of its stream recovers it
            else:
                self.reject()
            raise
        self.release()

    async def start_streaming(self) -> None:
        """Register a call that runs, unless it ends first.

        It may have had effects, so its client must not be told to try again: while Redis is unavailable this
        waits until the call is registered or has ended, with its response in memory.
        """
        while True:
            try:
                return await self.register()
            except Unavailable:
                await self._wait(_REGISTER_RETRY_SECONDS)

    async def register(self) -> None:
        """Register the call and use the event log from now on. Idempotent.

        Does nothing if the call has already ended.

        Raises:
            Unavailable: It could not be registered; it runs on.
        """
        if self.state is not State.ENDED and self.position is None:
            await self._write(None)

    async def _write(self, message: bytes | None) -> None:
        registry = self._backend.registry
        if self.position is None:
            if self.state is State.QUIET:
                self.state = State.LOGGED
                self._wake_waiter()
                if self.observers.watch_calls and not self.is_recovered:
                    self.observers.tell("call_streamed", self.facts)
            async with self._registering:
                if self.position is None and self.state is not State.ENDED:
                    position = await registry.write(self.registration, message, is_first=True)
                    self._on_registered(position)
                    message = None
                if message is None:
                    return
        if await registry.write(self.registration, message, retry_seconds=_APPEND_RETRY_SECONDS) is None:
            self._abandon()

    async def _run(self) -> None:
        self._has_begun = True
        try:
            await self._handle()
        except Exception:
            logger.exception("call crashed")
        finally:
            self._end()

    async def _handle(self) -> None:
        """Run the handler and deliver the response; a cancelled call has none."""
        backend = self._backend
        outcome: Outcome | None = None
        try:
            if self._is_cancelled:
                raise asyncio.CancelledError
            if self._may_run is not None:
                await self._may_run.wait()
            outcome = await serve(
                backend.server, self, backend.connection(self.session), backend.lifespan_state
            )
            self.failure = outcome.failure or self.failure
        except asyncio.CancelledError:
            if not self.cancel_requested.is_set():
                raise  # the process is stopping; another recovers the call
        if is_withdrawn := isinstance(self.failure, TokenWithdrawn):
            outcome = Outcome.failed(ErrorData(code=INVALID_REQUEST, message=ACCESS_WITHDRAWN))
        response = None if outcome is None else outcome.response(self.request_id)
        tell = partial(tell_answered, self, outcome, reason="access_withdrawn" if is_withdrawn else None)
        if self.state is not State.LOGGED:
            tell()
            self.response, self.state = response, State.ENDED
            self._wake_waiter()
            return
        self.state = State.HANDLED
        if response is not None:
            with suppress(Unavailable):
                await self.register()  # may be in progress, or have failed
        async with self._registering:  # a registration in progress must not outlive the call
            self.state = State.ENDED
        if self.position is None:
            tell()
            self.response, response = response, None
            self._wake_waiter()
        try:
            await self._settle(response, tell)
        except TooMuchHeld as error:
            logger.warning("response replaced by an error: the person holds too much")
            outcome = Outcome.failed(ErrorData(code=INVALID_REQUEST, message=str(error), data=error.data))
            await self._settle(outcome.response(self.request_id), partial(tell_answered, self, outcome))

    async def _settle(self, response: bytes | None, tell: Callable[[], None]) -> None:
        """End the registration and append the response, if any. Whether it was registered may be unknown."""
        size = len(response or b"")
        try:
            async with self.session.reserve(size, always=size <= _SMALL):
                written = await self._backend.registry.write(
                    self.registration,
                    response,
                    is_final=True,
                    retry_seconds=_RESPONSE_RETRY_SECONDS,
                    before=tell,
                )
        except Unavailable:
            if response is not None:
                logger.error("response lost: Redis unavailable")
            return
        if written is None and response is not None:
            session = {"session": short_id(self.session_id)}
            logger.warning("another process took over this call; dropping its response", extra=session)

    def _on_registered(self, position: str | None) -> None:
        if position is None:
            self._abandon()
            return
        self.position = position
        if self.state is not State.ENDED:
            self._lease = self._backend.registry.start_renewing(self.registration, self.token, self._abandon)

    def _abandon(self) -> None:
        """Stop without a response: another process took over the call, or it was ended."""
        if self.is_running:
            session = {"session": short_id(self.session_id)}
            logger.warning("another process took over this call; cancelling it here", extra=session)
            self.stop()

    def _end(self) -> None:
        """Let go of everything."""
        self.state = State.ENDED
        self._wake_waiter()
        if self._lease is not None:
            self._backend.registry.stop_renewing(self._lease)
        self._on_end(self)

    def _wake_waiter(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def renew_lease(self) -> None:
        if self._lease is not None:
            await self._backend.registry.leases.renew([self._lease])

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress; a re-run skips what was already reported, as progress must increase."""
        if progress > self.last_progress:
            await super().progress(progress, total, message)

    async def _emit(self, message: dict[str, Any]) -> None:
        await pace_message(self._backend.quotas, self.person_key)
        await super()._emit(message)
        if self.observers.watch_calls:
            self.observers.tell(
                "call_asked" if "id" in message else "call_sent", self.facts, message["method"]
            )

    async def _append(self, message: bytes) -> None:
        await self._write(message)
        raise_if_cancelled()

    def attach_stream(self, stream: EventStream) -> None:
        """Set the stream that is the HTTP response, before it starts."""
        self._event_stream = stream
        if self._is_closing:
            stream.close(reconnect_soon=True)

    async def _close_event_stream(self) -> None:
        self._is_closing = True  # the stream may be about to start, and not receive messages yet
        if self._event_stream is not None:
            self._event_stream.close(reconnect_soon=True)
        with suppress(Unavailable):  # then there is no stream to close
            await self.register()
            await self._backend.streams.close(self.session_id, self.stream, reconnect_soon=True)
