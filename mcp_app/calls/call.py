"""The call of a session: the run of one client request, from its arrival to its answer.

It is a task of the process, not of the HTTP request that brought it, and so outlives the connection. A
quick and silent one ends with a plain answer in memory. Once it emits something, or takes long, it
becomes a stream: from then on everything, the answer included, goes through the event log.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp_types import INVALID_REQUEST, ErrorData, JSONRPCNotification, JSONRPCRequest

from mcp_app.auth.tokens import TokenWithdrawn
from mcp_app.coordination.cancellation import raise_if_cancelled
from mcp_app.exceptions import Unavailable
from mcp_app.protocol.call import Call, ClientRequest
from mcp_app.protocol.jsonrpc import notification
from mcp_app.protocol.serve import Outcome, serve
from mcp_app.sdk import CallOptions, Connection, ServerMessageMetadata, TransportContext
from mcp_app.sessions.event_log import PATIENCE_SECONDS
from mcp_app.sessions.events import PENDING, START, new_reply_stream
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import LiveSession

if TYPE_CHECKING:
    from mcp_app.calls.registry import Calls
    from mcp_app.sessions.event_stream import EventStream

ACCESS_WITHDRAWN = "The token was withdrawn while the request ran."
WORKER_LOST = "The process that ran this call was lost before it could answer; the call was not repeated."


class SessionCall(Call):
    """One request of one session; its messages go onto its own event stream."""

    can_send_request = True

    def __init__(
        self,
        calls: Calls,
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
            TransportContext(kind="streamable-http", can_send_request=True, headers=headers),
        )
        self.request = request
        self.session_id = record.id
        self.answer: bytes | None = None
        self.losses = losses
        """How many processes it has outlived."""
        self.last_progress = -math.inf
        """How far the client knows it to be, if it runs again."""
        self.failure: Exception | None = None
        """Why the handler did not run to its end: Redis, or another store, was away, or its token was
        withdrawn."""
        self.token = get_access_token()
        """As whom it runs."""
        self.live_session = LiveSession(calls.sessions, record)
        self._headers = headers
        self.is_cancelled = False
        self.has_answered = False
        """Whether the handler is done; what is left is to put its answer into the log."""
        self.has_ended = False
        self.begins_after = START
        """Up to where the log held nothing of this call's stream when that began."""
        self.connection: EventStream | None = None
        self._is_closing = False
        self._calls = calls
        self._stream = stream
        self._outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._registration: asyncio.Task[None] | None = None
        self._is_in_doubt = False
        """Whether it may be registered, or may not: Redis did not say."""

    @property
    def message_metadata(self) -> ServerMessageMetadata:
        """What the SDK makes `ctx.request` and `ctx.close_sse_stream` of. Not kept: it leads back to this."""
        has_priming = self.live_session.record.has_priming
        return ServerMessageMetadata(
            request_context=ClientRequest(self._headers, self.live_session),
            # A client that was given no place to resume from would never see the answer.
            close_sse_stream=self._close_connection if has_priming else None,
        )

    @cached_property
    def stream(self) -> str:
        """The name of the stream that this call is, or would become."""
        return self._stream or new_reply_stream()

    def cancel(self, failure: Exception | None = None) -> None:
        """Note that the client wants no answer any more, or is to get an error."""
        self.is_cancelled = True
        self.failure = failure or self.failure
        self.cancel_requested.set()

    @property
    def is_stream(self) -> bool:
        """Whether the answer goes through the event log."""
        return self._registration is not None

    def is_registered_as(self, stream: str) -> bool:
        """Whether this is the call that is under a lease by the name of a stream."""
        return self.is_stream and self.stream == stream

    async def wait(self, seconds: float) -> None:
        """Wait until the call has ended or become a stream, but not longer than this; for one to wait."""
        timer = asyncio.get_running_loop().call_later(seconds, self._decide)
        try:
            await self._outcome
        finally:
            timer.cancel()

    async def become_stream(self) -> None:
        """From now on everything goes through the event log. Calling it again changes nothing.

        One that has been answered in silence meanwhile stays what it is.

        Raises:
            Unavailable: The call could not be registered.
        """
        if self._registration is None:
            if self.has_answered:
                return
            self._registration = asyncio.create_task(self._calls.register(self))
            self._decide()
        registration = self._registration
        try:
            await asyncio.shield(registration)
        except Unavailable:
            if self._registration is registration:
                self._registration = None  # it may go better next time
                self._is_in_doubt = True
            raise
        self._is_in_doubt = False

    async def run(self) -> None:
        """Run the request's handler and give its answer. A cancelled one gets none."""
        calls = self._calls
        connection = connection_of(calls, self.live_session)
        outcome: Outcome | None = None
        try:
            outcome = await serve(calls.server, self, connection, calls.lifespan_state)
            self.failure = outcome.unavailable or self.failure
        except asyncio.CancelledError:
            if not self.is_cancelled:
                raise  # the process ends; another settles the call when its lease has expired
        if isinstance(self.failure, TokenWithdrawn):
            outcome = Outcome.failed(ErrorData(code=INVALID_REQUEST, message=ACCESS_WITHDRAWN))
        answer = None if outcome is None else outcome.response(self.request_id)
        self.has_answered = True
        if self.is_stream:
            with contextlib.suppress(Unavailable):
                await self.become_stream()
            await self._calls.finish(self, answer)
            self._is_in_doubt = False
        self.answer = answer
        self._decide()
        if self._is_in_doubt:
            await self._calls.finish(self, None)

    def end(self) -> None:
        """Note that its task is done, and let nobody wait for it any more."""
        self.has_ended = True
        self._decide()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Ask the client on this call's own stream."""
        return await self._calls.client_requests.ask(
            self.live_session.record, self._emit, method, params, (opts or {}).get("timeout")
        )

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        """Send a notification on this call's own stream."""
        if self.live_session.record.admits((method, params or {})):
            await self._emit(notification(method, params))

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress. A call that runs again says only what is new: progress must increase."""
        if progress > self.last_progress:
            await super().progress(progress, total, message)

    async def _emit(self, message: dict[str, Any]) -> None:
        await self.become_stream()
        await self._calls.log.append(self.session_id, self.stream, message, patience=PATIENCE_SECONDS)
        raise_if_cancelled()

    def answered_by(self, connection: EventStream) -> None:
        """Note the stream on which the request's own response goes out, before it begins."""
        self.connection = connection
        if self._is_closing:
            connection.close(polled=True)

    async def _close_connection(self) -> None:
        self._is_closing = True  # the response may be about to begin, where no message reaches it yet
        if self.connection is not None:
            self.connection.close(polled=True)
        await self.become_stream()
        await self._calls.streams.close(self.session_id, self.stream, polled=True)

    def _decide(self) -> None:
        if not self._outcome.done():
            self._outcome.set_result(None)


class SessionChannel:
    """The session's own channel, beside all calls: what is sent here goes to a GET stream.

    Satisfies the SDK's `mcp.shared.dispatcher.Outbound`, as the `outbound` of a `Connection`.
    """

    __slots__ = ("_calls", "_live_session")

    def __init__(self, calls: Calls, live_session: LiveSession) -> None:
        self._calls = calls
        self._live_session = live_session

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        return await self._calls.client_requests.ask(
            self._live_session.record, self._emit, method, params, (opts or {}).get("timeout")
        )

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        if self._live_session.record.admits((method, params or {})):
            await self._emit(notification(method, params))

    async def _emit(self, message: dict[str, Any]) -> None:
        await self._calls.log.append(self._live_session.record.id, PENDING, message)


def connection_of(calls: Calls, live_session: LiveSession) -> Connection:
    """The SDK's connection, rebuilt from the record of a session."""
    record = live_session.record
    connection = Connection(
        SessionChannel(calls, live_session),
        protocol_version=record.protocol_version,
        session_id=record.id,
        client_params=record.client_params,
    )
    if record.client_params is not None:
        connection.initialized.set()
    return connection
