"""HTTP+SSE: the transport of 2024-11-05, on the same sessions as Streamable HTTP.

GET /sse opens a session and its only event stream, whose first event contains the URL to POST to. All
messages of the server are sent on that stream; a POST to /message, at any process, is only acknowledged.

The revision has no resumption. But its clients reconnect like any `EventSource`, with the id of the last
event, which here contains the session and the position, so they continue where they were.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote

from mcp_types import JSONRPCNotification, JSONRPCRequest

from mcp_app.auth.tokens import Principal
from mcp_app.calls.initialize import initialize
from mcp_app.conf import conf
from mcp_app.coordination.limits import STREAMS, QuotaExceeded
from mcp_app.ids import short_id
from mcp_app.protocol.messages import MalformedAnswer, as_message, decode, invalid_request, to_json
from mcp_app.runtime import Runtime
from mcp_app.sessions.events import (
    START,
    Event,
    event_id,
    is_standalone_of,
    new_http_sse_reply_stream,
    new_standalone_stream,
    parse_event_id,
)
from mcp_app.sessions.record import SessionRecord
from mcp_app.transports import era, errors, framing
from mcp_app.transports.event_streams import send_stream
from mcp_app.transports.request import Request
from mcp_app.transports.responses import COMMON_HEADERS, respond

logger = logging.getLogger(__name__)

_REFUSAL_SECONDS = 0.5
"""Minimum interval between rate-limit errors on one stream; requests past the rate wait for longer."""

_MAX_REFUSED = 1000
"""How many sessions `_refused_at` remembers."""


def _message_path(root_path: str) -> str:
    """Where clients post their messages, even if the application is mounted below a path."""
    path = conf.message_path
    return quote(path if path.startswith(f"{root_path}/") else root_path + path)


class Sse:
    """The endpoint `/sse`, behind the guard."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(self, request: Request) -> None:
        if request.method != "GET":
            hint = f"This is HTTP+SSE, which starts with GET; Streamable HTTP is at {conf.resource_url}."
            raise errors.method_not_allowed("GET", hint)
        if not request.accepts("text/event-stream"):
            raise errors.HttpError(406, "A GET must accept text/event-stream.")
        if self._runtime.is_draining:
            raise errors.shutting_down()
        last_event_id = request.headers.get("last-event-id")
        resumed = await self._resume(last_event_id, request.principal) if last_event_id else None
        if resumed is None and request.is_past_rate:
            raise self._runtime.quotas.rate_exceeded(request.principal.person_key)
        record, name, position = resumed or await self._open(request.principal)
        if last_event_id and resumed is None:
            reason = "malformed, of another session, or its later events are gone; a new session was opened"
            logger.info("Last-Event-ID rejected", extra={"session": short_id(record.id), "reason": reason})
        stream = self._runtime.streams.http_sse(
            record, name, position, self._runtime.recovery.recover_if_lost
        )

        def name_event(event: Event) -> str:
            # Always under the name of this stream: every earlier event of any stream has been sent.
            return f"{record.id}.{event_id(name, event.position)}"

        opening = framing.named_event(
            "endpoint",
            f"{record.id}.{event_id(name, position)}",
            f"{_message_path(request.scope.get('root_path', ''))}?sessionId={record.id}",
        )
        await send_stream(self._runtime, request, stream, opening, name_event=name_event)

    async def _resume(
        self, last_event_id: str, principal: Principal
    ) -> tuple[SessionRecord, str, str] | None:
        """The session, stream and position of an event; None if it cannot be resumed."""
        session_id, _, rest = last_event_id.partition(".")
        resumed = parse_event_id(rest)
        record = await self._runtime.sessions.get(session_id) if resumed else None
        if (
            resumed is not None
            and record is not None
            and record.owner == principal.owner
            and is_standalone_of(record.id, resumed[0])
            and await self._runtime.log.is_whole(record.id, resumed[1])
        ):
            return record, *resumed
        return None

    async def _open(self, principal: Principal) -> tuple[SessionRecord, str, str]:
        """A new session, which clients of this transport also expect if they cannot resume theirs."""
        # First, as a session without its stream would be useless.
        await self._runtime.quotas.ensure(principal.person_key, STREAMS)
        record = self._runtime.sessions.new(
            principal.owner, principal.person, principal.client_id, principal.client_name
        )
        await self._runtime.sessions.create(record)
        return record, new_standalone_stream(record.id), START


class SsePost:
    """The endpoint `/message`, behind the guard."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._refused_at: dict[str, float] = {}
        """By session: when the last rate-limit error was sent on its stream."""

    async def __call__(self, request: Request) -> None:
        if request.method != "POST":
            raise errors.method_not_allowed("POST")
        session_ids = parse_qs(request.scope["query_string"].decode("latin-1")).get("sessionId")
        if not session_ids:
            raise errors.HttpError(400, "The query parameter sessionId is required.")
        decoded = decode(await request.read_post(check_accept=False), conf.max_body_values)
        try:
            message = as_message(decoded)
        except MalformedAnswer as malformed:
            record = await self._runtime.sessions.get_own(session_ids[0], request.principal.owner)
            await self._runtime.client_requests.reject(record, malformed)
            raise
        request.set_message(message)
        if era.is_modern_by_meta(message):
            raise invalid_request(f"HTTP+SSE does not support this revision; use {conf.resource_url}.")
        record = await self._runtime.sessions.get_own(session_ids[0], request.principal.owner)
        if record.client_params is not None:
            software = record.client_params.client_info
            self._runtime.last_seen.note(request.principal, record.protocol_version, software, "HTTP+SSE")
        match message:
            case JSONRPCRequest():
                try:
                    await self._runtime.admission.admit(
                        request.principal,
                        [message],
                        is_past_rate=request.is_past_rate,
                        is_reply_stored=True,
                    )
                except QuotaExceeded as error:
                    if request.is_past_rate and not self._may_refuse_on_stream(record.id):
                        raise
                    # On the stream: after a rejected POST the Python SDK still waits for the response, and
                    # sends nothing more.
                    errors.log_quota(error, request.principal, self._runtime.quotas)
                    refusal = errors.quota_exceeded(error)
                    request.tell_refused(self._runtime.observers, refusal)
                    await self._reply(record, refusal.body(message.id))
                else:
                    await self._run(record, message, request.headers)
            case JSONRPCNotification():
                await self._runtime.calls.notified(record, message, request.headers)
                request.tell_answered(self._runtime.observers, "accepted")
            case _:
                await self._runtime.client_requests.deliver(record, message)
                request.tell_answered(self._runtime.observers, "accepted")
        await respond(request.send, 202, b"Accepted", [(b"content-type", b"text/plain"), *COMMON_HEADERS])

    def _may_refuse_on_stream(self, session_id: str) -> bool:
        """Whether the stream has had no refusal for a while: a flood would push out the other events.

        A client that posts one message after the other is refused no sooner, as each waits.
        """
        now = time.monotonic()
        if now - self._refused_at.get(session_id, -math.inf) < _REFUSAL_SECONDS:
            return False
        if len(self._refused_at) >= _MAX_REFUSED:
            self._refused_at.clear()
        self._refused_at[session_id] = now
        return True

    async def _run(self, record: SessionRecord, message: JSONRPCRequest, headers: Mapping[str, str]) -> None:
        """Run a request that was admitted."""
        calls = self._runtime.calls
        if message.method == "initialize":
            store = self._runtime.sessions.finish_initialize
            _, outcome = await initialize(calls.backend, record, message, headers, store=store)
            await self._reply(record, outcome.response(message.id))
        else:
            call = calls.start(record, message, headers, stream=new_http_sse_reply_stream(), deferred=True)
            await call.run_registered()  # before it is acknowledged

    async def _reply(self, record: SessionRecord, answer: dict[str, Any] | bytes) -> None:
        """Send a reply on the stream.

        Raises:
            TooMuchHeld: There is no room for it in the log.
        """
        data = answer if isinstance(answer, bytes) else to_json(answer)
        async with self._runtime.sessions.held.reserve(record.person_key, len(data)):
            await self._runtime.log.append(record.id, new_http_sse_reply_stream(), data)
