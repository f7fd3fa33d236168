"""What the transports with sessions have in common: messages in."""

from __future__ import annotations

import time
from typing import Any

from mcp_types import (
    INVALID_REQUEST,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from pydantic import ValidationError

from mcp_app.auth.scopes import suffice
from mcp_app.auth.tokens import Principal
from mcp_app.conf import conf
from mcp_app.protocol.validation_messages import explain
from mcp_app.runtime import Runtime
from mcp_app.sdk import as_request_id
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import SessionStore
from mcp_app.transports import errors, framing
from mcp_app.transports.request import Scope, remember_request_id

_LONGEST_SESSION_ID = 128

Message = JSONRPCRequest | JSONRPCNotification | JSONRPCResponse | JSONRPCError


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


def note_request(scope: Scope, message: Message) -> None:
    """From here on a refusal has the id of the request."""
    if isinstance(message, JSONRPCRequest):
        remember_request_id(scope, message.id)


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
