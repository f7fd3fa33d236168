"""JSON-RPC messages: parsing a request body, with precise errors, and building messages of the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pydantic_core
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic import ValidationError

from mcp_app.protocol.json_cost import (
    MAX_DIGITS,
    has_long_number,
    has_many_times_more_values,
    has_more_values,
)
from mcp_app.protocol.validation_messages import explain
from mcp_app.sdk import as_request_id, progress_token_from_params

Message = JSONRPCRequest | JSONRPCNotification | JSONRPCResponse | JSONRPCError

_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF_PAIR = re.compile(rb"%(high)s(?!%(low)s)|%(low)s(?<!%(high)s%(low)s)" % {b"high": _HIGH, b"low": _LOW})
"""An escaped, unpaired surrogate."""

_REPLACEMENT = rb"\ufffd"

_TOO_MANY_DIGITS = re.compile(rb"(?<!\d)\d{%d,}" % (MAX_DIGITS + 1))

MAX_ID_LENGTH = 256
"""The maximum length of an id, a progress token or a method, in characters: the server repeats them, sends
them to other processes and stores them. Clients count, or use UUIDs."""

MAX_DEPTH = 200
"""How deeply arrays and objects may be nested, the message included: a limit of the parser."""

MAX_HALF_PAIRS = 10_000
"""How many unpaired surrogates are replaced: a text that was cut has one. Many take long to find."""


class InvalidMessage(Exception):
    """The body is not a valid client message.

    Args:
        message: A human-readable message.
        code: JSON-RPC error code.
        request_id: The id of the rejected request, if it could be parsed.
    """

    def __init__(
        self, message: str, code: int = INVALID_REQUEST, request_id: RequestId | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id


class TooManyValues(InvalidMessage):
    """The body has so many values that validating it would block other requests."""


class MalformedAnswer(InvalidMessage):
    """An invalid client response to a request of the server whose id could be parsed.

    The error has no id, as that would be one of the server's ids (Streamable HTTP, Sending Messages).

    Args:
        answered_id: The id of the request.
        reason: What is wrong with the response.
    """

    def __init__(self, answered_id: RequestId, reason: str) -> None:
        super().__init__(f"Invalid response: {reason}.")
        self.answered_id = answered_id
        self.reason = reason


def invalid_request(detail: str, request_id: RequestId | None = None) -> InvalidMessage:
    """The error for JSON that is not a valid message here."""
    return InvalidMessage(f"Invalid request: {detail}", request_id=request_id)


def decode(body: bytes, max_values: int) -> Any:
    """Decode the JSON value of a body.

    An unpaired surrogate, as `"\\ud83d"`, is valid JSON (RFC 8259 §8.2) but cannot be encoded as UTF-8. It is
    replaced by U+FFFD, as the `TextEncoder` of a JavaScript client does: a text that was cut in the middle of
    an emoji should not fail the call.

    Args:
        body: UTF-8.
        max_values: The maximum number of values, including arrays, objects and everything in them.

    Raises:
        InvalidMessage: It is not JSON, or nested too deeply, a number has more than `MAX_DIGITS` digits, or
            an id has an unpaired surrogate: the response would not match it.
        TooManyValues: It has more values. Without the id of the request if there are many times more, as
            those are not parsed: that alone would block other requests.
    """
    if len(body) <= min(max_values, MAX_DIGITS):
        return _parse(body)  # it is too short to exceed a limit
    message = f"The body has more than {max_values} values, counting nested ones."
    if has_many_times_more_values(body, max_values):
        raise TooManyValues(message)
    has_long = has_long_number(body)  # the parser accepts at most 4,300 digits
    readable = _TOO_MANY_DIGITS.sub(b"1" * (MAX_ID_LENGTH + 1), body) if has_long else body
    decoded = _parse(readable)
    has_more = has_more_values(body, decoded, max_values)
    if has_more or has_long:
        request_id = _id_of(decoded) if isinstance(decoded, dict) else None
        if has_more:
            raise TooManyValues(message, request_id=request_id)
        raise invalid_request(f"a number has more than {MAX_DIGITS} digits.", request_id)
    return decoded


def _parse(body: bytes) -> Any:
    try:
        return pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        _refuse_depth(error)
        return _decode_half_pairs(body)


def _refuse_depth(error: ValueError) -> None:
    """Raise the error for a body that may be valid JSON, but is nested more deeply than the parser reads."""
    if "recursion limit" in str(error):
        message = f"Parse error: the body is nested more than {MAX_DEPTH} deep, which is not supported."
        raise InvalidMessage(message, PARSE_ERROR) from None


def _decode_half_pairs(body: bytes) -> Any:
    # If there are more, the rest is left and the body is not readable.
    # An escaped backslash must not be taken for the start of the escape that follows.
    readable = _HALF_PAIR.sub(rb"\\ufffd", body.replace(b"\\\\", b"\\u005c"), count=MAX_HALF_PAIRS)
    try:
        if _REPLACEMENT not in readable:
            raise ValueError
        decoded = pydantic_core.from_json(readable, allow_inf_nan=False)
    except ValueError as error:
        _refuse_depth(error)
        raise InvalidMessage("Parse error: the body is not JSON.", PARSE_ERROR) from None
    for message in decoded if isinstance(decoded, list) else [decoded]:
        if isinstance(message, dict) and "\ufffd" in str(message.get("id")):
            raise invalid_request("`id` contains an unpaired surrogate.")
    return decoded


def as_message(decoded: Any) -> Message:
    """Parse a JSON value as a JSON-RPC message.

    Raises:
        InvalidMessage: It is a batch, not a JSON-RPC message, or repeats something that is too long.
        MalformedAnswer: It is an invalid response.
    """
    if isinstance(decoded, list):
        raise invalid_request("only 2025-03-26 supports batches; send one message at a time.")
    if not isinstance(decoded, dict):
        raise invalid_request("a message must be a JSON object.")
    _check_lengths(decoded)
    kind: type[Message]
    if "method" in decoded:
        kind = JSONRPCRequest if "id" in decoded else JSONRPCNotification
    else:
        kind = JSONRPCError if "error" in decoded else JSONRPCResponse
        if kind is JSONRPCError:  # it may have no id, if the client could not read that of the request
            decoded = {"id": None} | decoded
    try:
        return kind.model_validate(decoded)
    except ValidationError as error:
        reason = explain(error, decoded)
    message_id = _id_of(decoded)
    if "method" in decoded:
        raise invalid_request(f"{reason}.", message_id)
    if decoded.keys().isdisjoint(("result", "error")):
        reason = "this is not a JSON-RPC 2.0 message: it has no `method`, no `result` and no `error`"
    if message_id is None:
        raise invalid_request(f"{reason}.")
    raise MalformedAnswer(message_id, reason)


def _check_lengths(decoded: Mapping[str, Any]) -> None:
    params = decoded.get("params")
    token = cancelled = None
    if isinstance(params, dict):
        token = progress_token_from_params(params) if "_meta" in params else None
        cancelled = params.get("requestId") if decoded.get("method") == "notifications/cancelled" else None
    if not _is_too_long(decoded.get("id"), decoded.get("method"), token, cancelled):
        return
    if _is_too_long(decoded.get("id")):
        raise invalid_request(f"`id` must have at most {MAX_ID_LENGTH} characters.")
    if _is_too_long(decoded.get("method")):
        raise invalid_request(f"`method` must have at most {MAX_ID_LENGTH} characters.", _id_of(decoded))
    name = "_meta.progressToken" if _is_too_long(token) else "requestId"
    message = f"Invalid params: `params.{name}` must have at most {MAX_ID_LENGTH} characters"
    raise InvalidMessage(message, INVALID_PARAMS, _id_of(decoded))


def _is_too_long(*values: object) -> bool:
    """Whether a string or an integer is longer than an id may be."""
    for value in values:
        if value is None:
            continue
        if isinstance(value, str):
            if len(value) > MAX_ID_LENGTH:
                return True
        elif isinstance(value, int) and value.bit_length() > 3 * MAX_ID_LENGTH:  # three bits: about a digit
            return True
    return False


def _id_of(decoded: Mapping[str, Any]) -> RequestId | None:
    """The id of a message, for an error response; None if it has none or cannot be repeated."""
    value = decoded.get("id")
    return None if _is_too_long(value) else as_request_id(value)


def as_batch(decoded: list[Any], max_messages: int) -> list[Message]:
    """Parse a JSON-RPC batch, which only 2025-03-26 has, of at most `max_messages` messages.

    Raises:
        InvalidMessage: It is empty or too long, or an item is not a message or not allowed in a batch.
        MalformedAnswer: An item is an invalid response.
    """
    if not decoded:
        raise invalid_request("a batch must not be empty.")
    if len(decoded) > max_messages:
        raise invalid_request(f"a batch may have at most {max_messages} messages.")
    if any(isinstance(item, list) for item in decoded):
        raise invalid_request("a batch contains another batch; each of its messages must be a JSON object.")
    messages = [as_message(item) for item in decoded]
    if any(isinstance(message, JSONRPCRequest) and message.method == "initialize" for message in messages):
        raise invalid_request("`initialize` must not be part of a batch.")
    return messages


def to_json(message: Any) -> bytes:
    """Encode a message, or a part of one. Numbers that JSON does not have, NaN and infinity, become null.

    Raises:
        ValueError: It is not JSON: it has an unpaired surrogate, for example, or contains itself.
    """
    return pydantic_core.to_json(message, inf_nan_mode="null")


def notification(method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if params is not None:
        message["params"] = dict(params)
    return message


def request(request_id: RequestId, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, **notification(method, params)}


def error_response(request_id: RequestId | None, error: ErrorData) -> dict[str, Any]:
    """An error response; the id is null if the request could not be parsed."""
    return {"jsonrpc": "2.0", "id": request_id, "error": error.model_dump(mode="json", exclude_none=True)}
