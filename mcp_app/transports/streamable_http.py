"""Streamable HTTP: the endpoint `/mcp`, for every protocol revision that has it.

2025-03-26 to 2025-11-25 have sessions: GET, POST and DELETE are served here, on sessions that no process
owns. 2026-07-28 has none, and unknown revisions are answered as that one says: both go to the SDK.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from mcp_app import tokens
from mcp_app.conf import conf
from mcp_app.runtime import Runtime
from mcp_app.sessions.event_log import START, event_id, is_listener, new_listener_stream, parse_event_id
from mcp_app.sessions.exchange import Exchange
from mcp_app.sessions.opening import initialize
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.streams import EventStream, ListenerStream, ReplyStream
from mcp_app.transports import errors, framing, http

logger = logging.getLogger(__name__)

_PRIMING_SINCE = "2025-11-25"
"""The first revision whose streams begin with an event id (SEP-1699). Revisions compare as dates."""

_SESSION_ID = "mcp-session-id"
_LONGEST_SESSION_ID = 128
_COMMON_HEADERS = ((b"x-content-type-options", b"nosniff"),)


class StreamableHttp:
    """The ASGI application behind the guard."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        headers = http.headers_of(scope)
        revision = headers.get("mcp-protocol-version")
        if revision is not None and revision not in HANDSHAKE_PROTOCOL_VERSIONS:
            await self._stateless(scope, receive, send, headers)
            return
        match scope["method"]:
            case "POST":
                await self._post(scope, receive, send, headers)
            case "GET":
                await self._get(scope, receive, send, headers)
            case "DELETE":
                await self._delete(scope, send, headers)
            case _:
                raise errors.method_not_allowed("GET, POST, DELETE")

    async def _stateless(
        self, scope: http.Scope, receive: http.Receive, send: http.Send, headers: dict[str, str]
    ) -> None:
        """2026-07-28: one request, one response, no session. The SDK serves it."""
        if scope["method"] != "POST":
            revision = headers["mcp-protocol-version"]
            if revision not in MODERN_PROTOCOL_VERSIONS:
                raise errors.unsupported_revision(revision)
            raise errors.method_not_allowed("POST")
        body = await _read_post(scope, receive, headers)
        _decode(body)  # the SDK takes for JSON what is none, such as NaN
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Any:
            return unread.pop() if unread else await receive()

        await self._runtime.session_manager.handle_request(scope, replay, send)

    async def _post(
        self, scope: http.Scope, receive: http.Receive, send: http.Send, headers: dict[str, str]
    ) -> None:
        message = _parse(await _read_post(scope, receive, headers))
        user: AuthenticatedUser = scope["user"]
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            await self._initialize(send, message, headers, user)
            return
        record = await self._session(headers, user)
        match message:
            case JSONRPCRequest():
                exchange = self._runtime.calls.start(record, message, headers)
                await exchange.wait(conf.stream_after_seconds)
                await self._answer(receive, send, record, exchange)
            case JSONRPCNotification():
                await self._runtime.calls.notified(record, message, headers)
                await http.respond(send, 202, headers=_COMMON_HEADERS)
            case response:
                answer = response.model_dump(mode="json", by_alias=True, exclude_none=True)
                await self._runtime.calls.client_requests.deliver(record.id, answer)
                await http.respond(send, 202, headers=_COMMON_HEADERS)

    async def _initialize(
        self, send: http.Send, request: JSONRPCRequest, headers: dict[str, str], user: AuthenticatedUser
    ) -> None:
        token = user.access_token
        record, answer = await initialize(
            self._runtime.calls,
            request,
            headers,
            owner=tokens.owner(token),
            user=str((token.claims or {}).get("username", token.subject)),
            client=token.client_id,
        )
        session = [] if record is None else [(_SESSION_ID.encode(), record.id.encode())]
        await http.respond_json(send, 200, answer, [*session, *_COMMON_HEADERS])

    async def _answer(
        self, receive: http.Receive, send: http.Send, record: SessionRecord, exchange: Exchange
    ) -> None:
        """Answer with JSON what has ended quickly and silently, anything else with an event stream."""
        if exchange.answer is not None and not exchange.is_stream:
            await http.respond_json(send, 200, exchange.answer, _COMMON_HEADERS)
            return
        if exchange.cancel_requested.is_set() and not exchange.is_stream:
            # A cancelled request gets no answer; this is how a response without one looks.
            await http.respond(send, 200, headers=framing.STREAM_HEADERS)
            return
        await exchange.become_stream()
        stream = ReplyStream(
            self._runtime.streams,
            record,
            exchange.stream,
            START,
            self._runtime.calls.look_after,
            resumed=False,
        )
        await self._send_stream(receive, send, record, stream, START)

    async def _get(
        self, scope: http.Scope, receive: http.Receive, send: http.Send, headers: dict[str, str]
    ) -> None:
        if not http.accepts(headers, "text/event-stream"):
            raise errors.HttpError(406, "A GET must accept text/event-stream.")
        record = await self._session(headers, scope["user"])
        name, place = new_listener_stream(), START
        last_event_id = headers.get("last-event-id")
        if last_event_id:
            resumed = parse_event_id(last_event_id)
            if resumed is None or not await self._runtime.calls.can_resume(record, *resumed):
                raise errors.unknown_event_id()
            name, place = resumed
        streams = self._runtime.streams
        stream: EventStream
        if is_listener(name):
            stream = ListenerStream(streams, record, name, place)
        else:
            stream = ReplyStream(streams, record, name, place, self._runtime.calls.look_after, resumed=True)
        await self._send_stream(receive, send, record, stream, place)

    async def _delete(self, scope: http.Scope, send: http.Send, headers: dict[str, str]) -> None:
        record = await self._session(headers, scope["user"])
        await self._runtime.sessions.end(record.id)
        logger.info("session ended by its client", extra={"session": record.id[:8]})
        await http.respond(send, 204, headers=_COMMON_HEADERS)

    async def _session(self, headers: dict[str, str], user: AuthenticatedUser) -> SessionRecord:
        """The session that a request names, if it is the requester's own."""
        session_id = headers.get(_SESSION_ID)
        if not session_id:
            raise errors.HttpError(400, "The Mcp-Session-Id header is needed.")
        if len(session_id) > _LONGEST_SESSION_ID:
            raise errors.session_not_found()
        record = await self._runtime.sessions.get(session_id)
        if record is None or record.owner != tokens.owner(user.access_token):
            raise errors.session_not_found()
        return record

    async def _send_stream(
        self,
        receive: http.Receive,
        send: http.Send,
        record: SessionRecord,
        stream: EventStream,
        place: str,
    ) -> None:
        """Send an event stream until it is complete or closed, or the client has gone."""
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [*framing.STREAM_HEADERS, *_COMMON_HEADERS],
            }
        )

        async def write(chunk: bytes, *, last: bool = False) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": not last})

        if record.protocol_version >= _PRIMING_SINCE:
            await write(framing.priming(event_id(stream.name, place), conf.retry_milliseconds))
        else:
            await write(framing.KEEP_ALIVE)  # the response head is not sent before the first bytes
        watcher = asyncio.create_task(http.until_disconnect(receive))
        watcher.add_done_callback(lambda _: stream.close())
        try:
            async with aclosing(stream.items()) as items:
                async for event in items:
                    await write(framing.KEEP_ALIVE if event is None else framing.event(event.id, event.data))
            await write(b"" if stream.is_complete else framing.retry(conf.retry_milliseconds), last=True)
        finally:
            watcher.cancel()


async def _read_post(scope: http.Scope, receive: http.Receive, headers: dict[str, str]) -> bytes:
    """The body of a POST whose headers are as they must be (Streamable HTTP, Sending Messages)."""
    if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise errors.HttpError(415, "The Content-Type must be application/json.")
    if not (http.accepts(headers, "application/json") and http.accepts(headers, "text/event-stream")):
        raise errors.HttpError(406, "A POST must accept both application/json and text/event-stream.")
    return await http.read_body(scope, receive, headers, conf.max_body_bytes)


def _decode(body: bytes) -> Any:
    try:
        return framing.from_json(body)
    except ValueError:
        raise errors.parse_error() from None


def _parse(body: bytes) -> JSONRPCRequest | JSONRPCNotification | JSONRPCResponse | JSONRPCError:
    """The one JSON-RPC message of a body.

    Raises:
        HttpError: It is not JSON, a batch, or not a JSON-RPC message.
    """
    decoded = _decode(body)
    if isinstance(decoded, list):
        raise errors.not_a_message("batches are not supported; send one message at a time.")
    if not isinstance(decoded, dict):
        raise errors.not_a_message("the body must be a JSON object.")
    kind: type[JSONRPCRequest | JSONRPCNotification | JSONRPCResponse | JSONRPCError]
    if "method" in decoded:
        kind = JSONRPCRequest if "id" in decoded else JSONRPCNotification
    else:
        kind = JSONRPCError if "error" in decoded else JSONRPCResponse
    try:
        return kind.model_validate(decoded)
    except ValidationError:
        raise errors.not_a_message("the body is no JSON-RPC 2.0 message.") from None
