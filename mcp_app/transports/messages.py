"""What the transports with sessions have in common: messages in, event streams out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from enum import Enum, auto
from typing import Any

from mcp_types import (
    INVALID_REQUEST,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic import ValidationError

from mcp_app.auth.scopes import suffice
from mcp_app.auth.tokens import Principal, TokenWithdrawn
from mcp_app.conf import conf
from mcp_app.protocol.validation_messages import explain
from mcp_app.runtime import Runtime
from mcp_app.sdk import as_request_id
from mcp_app.sessions.events import Event
from mcp_app.sessions.merged_stream import MergedStream
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import SessionStore
from mcp_app.sessions.streams import EventStream
from mcp_app.transports import errors, framing, http

logger = logging.getLogger(__name__)

_LONGEST_SESSION_ID = 128

Message = JSONRPCRequest | JSONRPCNotification | JSONRPCResponse | JSONRPCError


async def read_post(
    scope: http.Scope, receive: http.Receive, headers: dict[str, str], *, check_accept: bool = True
) -> bytes:
    """The body of a POST whose headers are as they must be (Streamable HTTP, Sending Messages).

    Raises:
        HttpError: Wrong Content-Type or Accept, or a body that is too long.
    """
    if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise errors.HttpError(415, "The Content-Type must be application/json.")
    if check_accept and not (
        http.accepts(headers, "application/json") and http.accepts(headers, "text/event-stream")
    ):
        raise errors.HttpError(406, "A POST must accept both application/json and text/event-stream.")
    return await http.read_body(scope, receive, headers, conf.max_body_bytes)


def decode(body: bytes) -> Any:
    """The JSON value of a body.

    Raises:
        HttpError: It is not JSON, or has more values than are looked at while others wait.
    """
    try:
        decoded = framing.from_json(body)
    except framing.HalfId:
        raise errors.not_a_message("`id` has half of a surrogate pair.") from None
    except ValueError:
        raise errors.parse_error() from None
    if framing.has_more_values(body, decoded, conf.max_body_values):
        request_id = as_request_id(decoded.get("id")) if isinstance(decoded, dict) else None
        raise errors.too_many_values(conf.max_body_values, request_id)
    return decoded


def as_message(decoded: Any) -> Message:
    """The JSON-RPC message that a JSON value is.

    Raises:
        HttpError: It is a batch, or not a JSON-RPC message.
    """
    if isinstance(decoded, list):
        raise errors.not_a_message("only sessions of 2025-03-26 have batches; send one message at a time.")
    if not isinstance(decoded, dict):
        raise errors.not_a_message("a message is a JSON object.")
    kind: type[Message]
    if "method" in decoded:
        kind = JSONRPCRequest if "id" in decoded else JSONRPCNotification
    else:
        kind = JSONRPCError if "error" in decoded else JSONRPCResponse
    try:
        return kind.model_validate(decoded)
    except ValidationError as error:
        reason = explain(error, decoded)
    message_id = as_request_id(decoded.get("id"))
    if "method" in decoded:
        raise errors.not_a_message(f"{reason}.", message_id)
    if decoded.keys().isdisjoint(("result", "error")):
        reason = "this is no JSON-RPC 2.0 message: it has no `method`, no `result` and no `error`"
    if message_id is None:
        raise errors.not_a_message(f"{reason}.")
    raise errors.MalformedAnswer(message_id, reason)


async def give_up(runtime: Runtime, session_id: str, malformed: errors.MalformedAnswer) -> None:
    """Let the call that waits for a malformed answer fail at once, instead of waiting for a better one."""
    error = ErrorData(code=INVALID_REQUEST, message=f"The client's answer is malformed: {malformed.reason}")
    response = JSONRPCError(jsonrpc="2.0", id=malformed.answered_id, error=error)
    await runtime.calls.client_requests.deliver(session_id, response)


def note_request(scope: http.Scope, message: Message) -> None:
    """From here on a refusal has the id of the request."""
    if isinstance(message, JSONRPCRequest):
        http.remember_request_id(scope, message.id)


async def check_scopes(runtime: Runtime, principal: Principal, message: Message) -> None:
    """See to it that the token may do what the message asks for; called before anything runs.

    Raises:
        HttpError: 403 with a challenge that names all scopes that the operation needs.
    """
    if isinstance(message, JSONRPCRequest):
        more = await runtime.scopes.needed(message.method, message.params)
        if more and not suffice(principal.scopes, more):
            raise errors.insufficient_scope(principal.scopes, (*conf.required_scopes, *more))


def new_session(principal: Principal) -> SessionRecord:
    """A session that begins now and belongs to the requester; nothing is stored yet."""
    return SessionRecord(
        id=SessionStore.new_id(),
        owner=principal.owner,
        created_at=time.time(),
        user=principal.person,
        client=principal.client_id,
    )


async def own_session(runtime: Runtime, session_id: str, principal: Principal) -> SessionRecord:
    """The session of this id, if it is the requester's own.

    Raises:
        HttpError: There is no such session, or it is somebody else's: the answer is the same.
    """
    if len(session_id) > _LONGEST_SESSION_ID:
        raise errors.session_not_found()
    record = await runtime.sessions.get(session_id)
    if record is None or record.owner != principal.owner:
        raise errors.session_not_found()
    return record


class Ending(Enum):
    """Why a response need not go on."""

    CLIENT = auto()
    """The client has closed the connection."""
    EXPIRED = auto()
    """The token has expired, which ends what listens."""
    WITHDRAWN = auto()
    """The token was withdrawn, which ends everything."""


async def until_ended(
    runtime: Runtime, principal: Principal, receive: http.Receive, *, listens: bool
) -> Ending:
    """Return when the response to a request need not go on, and why.

    Args:
        runtime: This process's runtime.
        principal: Whose request it is.
        receive: Of the request.
        listens: Whether it waits for whatever may come. A call that was accepted outlives its token: clients
            refresh theirs every hour, whatever they have running.
    """
    with runtime.tokens.in_use(principal) as withdrawn:
        gone = asyncio.ensure_future(http.until_disconnect(receive))
        try:
            while True:
                # A withdrawal is announced; should the announcement be lost, this notices.
                if await runtime.tokens.is_withdrawn(principal):
                    return Ending.WITHDRAWN
                if listens and not principal.is_current:
                    return Ending.EXPIRED
                seconds = conf.keep_alive_seconds
                if listens:
                    seconds = min(seconds, principal.seconds_left)
                done, _ = await asyncio.wait(
                    {gone, withdrawn}, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED
                )
                if withdrawn in done:
                    return Ending.WITHDRAWN
                if gone in done:
                    return Ending.CLIENT
        finally:
            gone.cancel()


@asynccontextmanager
async def once_begun(send: http.Send) -> AsyncIterator[None]:
    """Around what follows the head of an event stream: a fault ends the stream, which lacks its answer then.

    There can be no second head. Nor can the fault be left to the server: Daphne would try to send one.
    """
    try:
        yield
    except Exception:
        logger.exception("an event stream broke off")
        with suppress(Exception):  # perhaps it is sending that fails
            await send({"type": "http.response.body", "body": b""})


async def send_stream(
    runtime: Runtime,
    scope: http.Scope,
    receive: http.Receive,
    send: http.Send,
    stream: EventStream | MergedStream,
    opening: bytes,
    *,
    owed: Mapping[str, RequestId | None] | None = None,
    name_event: Callable[[Event], str] = lambda event: event.id,
) -> None:
    """Send an event stream until it is complete or closed, or need not go on (`until_ended`).

    Args:
        runtime: This process's runtime.
        scope: Of the request.
        receive: Of the request.
        send: Where the response goes.
        stream: What to send.
        opening: The first bytes; the response head goes out with them.
        owed: The requests that it answers, by the names of their streams; none for one that listens.
        name_event: The SSE id of an event.

    Raises:
        TokenWithdrawn: The token was withdrawn before the response began.
    """
    principal: Principal = scope["user"]
    unanswered = dict(owed or {})
    sent = 0

    async def write(chunk: bytes, *, last: bool = False) -> None:
        nonlocal sent
        sent += len(chunk)
        if sent > conf.max_stream_bytes:
            stream.close()
        await send({"type": "http.response.body", "body": chunk, "more_body": not last})

    async with stream.opened():
        if await runtime.tokens.is_withdrawn(principal):
            raise TokenWithdrawn
        watcher = asyncio.create_task(until_ended(runtime, principal, receive, listens=owed is None))
        watcher.add_done_callback(lambda _: stream.close())
        try:
            head = [*framing.STREAM_HEADERS, *http.COMMON_HEADERS]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            async with once_begun(send):
                await write(opening)
                async with aclosing(stream.items()) as items:
                    async for event in items:
                        await write(
                            framing.KEEP_ALIVE
                            if event is None
                            else framing.event(name_event(event), event.data)
                        )
                        if event is not None and event.final:
                            unanswered.pop(event.stream, None)
                if watcher.done() and watcher.result() is Ending.WITHDRAWN:
                    for request_id in [each for each in unanswered.values() if each is not None]:
                        await write(
                            framing.event_without_id(
                                framing.to_json(errors.token_withdrawn().body(request_id))
                            )
                        )
                    await write(b"", last=True)
                else:
                    await write(
                        b"" if stream.is_complete else framing.retry(stream.retry_milliseconds), last=True
                    )
        finally:
            watcher.cancel()
