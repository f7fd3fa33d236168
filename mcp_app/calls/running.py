"""The calls of sessions that run in this process."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mcp_types import JSONRPCNotification, JSONRPCRequest, RequestId

from mcp_app.activity import MAX_SHOWN
from mcp_app.auth.tokens import WITHDRAWN, TokenWithdrawn, is_withdrawn_by
from mcp_app.calls.admission import is_limited
from mcp_app.calls.backend import Backend
from mcp_app.calls.call import SessionCall
from mcp_app.calls.registry import Registration
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.limits import CALLS
from mcp_app.coordination.quotas import Quotas
from mcp_app.exceptions import Unavailable
from mcp_app.ids import short_id
from mcp_app.sdk import ServerRunner, as_request_id
from mcp_app.sessions import keys
from mcp_app.sessions.events import shown
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import SESSION_ENDED

logger = logging.getLogger(__name__)

CANCEL = "call.cancel"

_HAND_OVER_SECONDS = 2.0
"""How long cancelled calls may take to clean up during shutdown."""

_STOP_SECONDS = 1.0
"""How long the remaining calls may take: those that started later, or ignored a first cancellation."""


class RunningCalls:
    """Starts and cancels the calls of this process, and counts them for their persons."""

    def __init__(self, backend: Backend, directory: Directory, quotas: Quotas) -> None:
        self.backend = backend
        self._directory = directory
        self._quotas = quotas
        self._calls: dict[str, set[SessionCall]] = defaultdict(set)
        bus = directory.bus
        self.activity = bus.activity
        bus.on(CANCEL, self._on_cancel)
        bus.on(SESSION_ENDED, self._on_ended)
        bus.on(WITHDRAWN, self._on_withdrawn)

    def __len__(self) -> int:
        return sum(map(len, self._calls.values()))

    def start(
        self,
        record: SessionRecord,
        request: JSONRPCRequest,
        headers: Mapping[str, str],
        *,
        stream: str | None = None,
        deferred: bool = False,
    ) -> SessionCall:
        """Run a request that was admitted.

        Args:
            record: The session.
            request: The request.
            headers: The headers of the HTTP request.
            stream: The name of its event stream; a new one if None.
            deferred: Whether its handler waits for `SessionCall.release`, so that it has not run if the call
                cannot be registered.
        """
        return self._start(SessionCall(self.backend, record, request, headers, stream), deferred=deferred)

    def restart(self, record: SessionRecord, lost: Registration, last_progress: float) -> SessionCall:
        """Re-run a call whose process died, after `SessionCall.run_registered`. It was admitted then.

        Args:
            record: The session.
            lost: The call, including this loss.
            last_progress: The last progress that was sent.
        """
        call = SessionCall(self.backend, record, lost.request, {}, lost.stream, lost.losses)
        call.is_recovered = True
        call.last_progress = last_progress
        return self._start(call, deferred=True)

    def _start(self, call: SessionCall, *, deferred: bool) -> SessionCall:
        self._calls[call.session_id].add(call)
        if is_limited(call.method):
            self._quotas.use(call.person_key, CALLS)
        call.start(self._on_end, deferred=deferred)
        return call

    def _on_end(self, call: SessionCall) -> None:
        if is_limited(call.method):
            self._quotas.release(call.person_key, CALLS)
        calls = self._calls[call.session_id]
        calls.discard(call)
        if not calls:
            del self._calls[call.session_id]

    def of_stream(self, session_id: str, stream: str) -> SessionCall | None:
        """The registered call of a stream, if it runs here."""
        for call in self._calls.get(session_id, ()):
            if call.position is not None and call.stream == stream:
                return call
        return None

    async def notified(
        self, record: SessionRecord, notification: JSONRPCNotification, headers: Mapping[str, str]
    ) -> None:
        """Handle a notification of the client. One with the method of a request is ignored."""
        params = notification.params or {}
        if notification.method == "notifications/cancelled":
            request_id = as_request_id(params.get("requestId"))
            if request_id is None:
                return  # no request has such an id
            # As JSON: the channel layer's serializer does not support every integer.
            message = {"type": CANCEL, "session": record.id, "request": json.dumps(request_id)}
            # A quick call is not in Redis, but the process that runs it has read the record.
            await self._directory.publish(message, keys.copies(record.id), keys.processes(record.id))
            return
        if self.backend.server.get_request_handler(notification.method) is not None:
            return  # what is around its handler expects a request
        call = SessionCall(self.backend, record, notification, headers)
        runner = ServerRunner(
            self.backend.server, self.backend.connection(call.session), self.backend.lifespan_state
        )
        await runner.on_notify(call, notification.method, notification.params)

    async def beat(self) -> None:
        """Renew the sessions of running calls, and cancel calls whose session has ended.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        in_use = {call.session_id for call in self._all() if call.position is not None}
        for session_id in await self.backend.sessions.renew_all(in_use):
            self._cancel(session_id)  # the `SESSION_ENDED` message was lost
        if self.activity.watched:
            for call in self.registered():
                person, name = call.person_key, shown(call.stream)
                self.activity.note("call.renewed", session=call.session_id, person=person, call=name)

    async def drain(self) -> None:
        """Stop all calls and release their leases: the next reader of their streams recovers them."""
        calls = self._all()
        outcomes = await asyncio.gather(*(call.register() for call in calls), return_exceptions=True)
        if errors := [error for error in outcomes if error is not None]:
            facts = {"calls": len(errors), "reason": str(errors[0])}
            logger.warning("calls not handed over: they cannot be registered", extra=facts)
        for call in calls:
            if call.is_running:
                call.stop()
        if calls:
            await asyncio.wait([call.task for call in calls], timeout=_HAND_OVER_SECONDS)
        # An orderly shutdown does not count as a loss.
        given = [replace(call.registration, losses=call.registration.losses - 1) for call in calls]
        try:
            await self.backend.registry.hand_over(given)
        except Unavailable:
            logger.warning("calls not handed over: Redis unavailable")

    async def stop(self) -> None:
        """Cancel all calls. Registered ones are recovered by another process.

        Calls that ignore their cancellation are left running.
        """
        calls = self._all()
        for call in calls:
            call.stop()
        if calls:
            await asyncio.wait([call.task for call in calls], timeout=_STOP_SECONDS)

    def registered(self) -> list[SessionCall]:
        """The running calls that other processes can see."""
        return [call for call in self._all() if call.position is not None]

    def shown(self) -> list[dict[str, Any]]:
        """The registered calls of this process, for the machine room."""
        return [
            {
                "person": call.person_key,
                "session": short_id(call.session_id),
                "call": shown(call.stream),
                "method": call.facts.method,
                "tool": call.facts.tool,
                "runs": call.runs,
            }
            for call in self.registered()[-MAX_SHOWN:]
        ]

    def _all(self) -> list[SessionCall]:
        return [call for calls in self._calls.values() for call in calls]

    def _cancel(self, session_id: str, request_id: RequestId | None = None) -> None:
        for call in list(self._calls.get(session_id, ())):
            # `1` and `"1"` are different ids (JSON-RPC 2.0 §4), as in Python.
            if request_id is None or call.request_id == request_id:
                call.cancel()

    def _on_cancel(self, message: dict[str, Any]) -> None:
        self._cancel(message["session"], json.loads(message["request"]))

    def _on_ended(self, message: dict[str, Any]) -> None:
        self._cancel(message["session"])

    def _on_withdrawn(self, message: dict[str, Any]) -> None:
        """Cancel the calls of a withdrawn token; their response is an error."""
        for call in self._all():
            if is_withdrawn_by(message, call.token):
                call.cancel(TokenWithdrawn())
