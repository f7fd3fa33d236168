"""Running one request: the only place where handlers are called and their errors become responses."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

from mcp.server import Server
from mcp_types import INTERNAL_ERROR, INVALID_REQUEST, ErrorData, RequestId

from mcp_app.exceptions import Refused, Store, Unavailable
from mcp_app.observers import AnswerFacts, CallOutcome
from mcp_app.protocol.call import Call
from mcp_app.protocol.messages import to_json
from mcp_app.protocol.tool_server import InterruptedTool
from mcp_app.sdk import Connection, ServerRunner, modern_error_data

logger = logging.getLogger(__name__)

_NAMES = {Store.SESSIONS: "Redis", Store.DATABASE: "database"}
"""The names of the stores in the log."""


@dataclass(slots=True)
class Outcome:
    """The outcome of a request: a result or an error, also encoded as JSON.

    Attributes:
        result: What the handler returned.
        error: Why there is no result.
        failure: Set if a store was unavailable, or the handler refused the request.
        json: The result or the error, encoded.
    """

    result: dict[str, Any] | None
    error: ErrorData | None
    failure: Unavailable | Refused | None
    json: bytes

    @classmethod
    def succeeded(cls, result: dict[str, Any]) -> Outcome:
        """
        Raises:
            ValueError: The result is not JSON; see `to_json`.
        """
        return cls(result, None, None, to_json(result))

    @classmethod
    def failed(cls, error: ErrorData, failure: Unavailable | Refused | None = None) -> Outcome:
        """An error; parts that cannot be encoded as JSON are dropped."""
        try:
            json = error.model_dump_json(by_alias=True, exclude_none=True)
        except ValueError:
            logger.exception("error cannot be serialized as JSON")
            message = error.message.encode(errors="replace").decode()
            error = ErrorData(code=error.code, message=message)
            json = error.model_dump_json(by_alias=True, exclude_none=True)
        return cls(None, error, failure, json.encode())

    def response(self, request_id: RequestId | None) -> bytes:
        """The JSON-RPC response."""
        member = b"result" if self.error is None else b"error"
        return b'{"jsonrpc":"2.0","id":%b,"%b":%b}' % (to_json(request_id), member, self.json)


async def serve(server: Server[Any], call: Call, connection: Connection, lifespan_state: Any) -> Outcome:
    """Run a request and return its outcome; observers are told when it starts and ends.

    The SDK's own driver, `serve_one`, also closes the exit stack of the connection, in a cancel scope that
    costs a quarter as much as a small tool. The SDK gives no handler access to it, so it is always empty.

    Args:
        server: The low-level server with the handler.
        call: The request.
        connection: The SDK's connection.
        lifespan_state: The value that the server's lifespan yielded.

    Raises:
        asyncio.CancelledError: The call's own task was cancelled.
    """
    is_observed = call.observers.watch_calls
    if is_observed:
        call.observers.tell("call_recovered" if call.is_recovered else "call_started", call.facts)
    began = time.perf_counter()
    try:
        result = await ServerRunner(server, connection, lifespan_state).on_request(
            call, call.method, call.params
        )
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            if is_observed:
                _tell_cancelled(call, time.perf_counter() - began)
            raise
        # The call was not cancelled: its handler awaited something else that was.
        logger.exception(
            "handler raised CancelledError without being cancelled", extra={"method": call.method}
        )
        outcome = Outcome.failed(ErrorData(code=INTERNAL_ERROR, message="Internal server error"))
    except Exception as error:
        outcome = _failure(call, error)
    else:
        outcome = _success(call, result)
    if is_observed:
        _tell_finished(call, outcome, time.perf_counter() - began)
    return outcome


def _success(call: Call, result: dict[str, Any]) -> Outcome:
    try:
        return Outcome.succeeded(result)
    except ValueError:
        logger.exception("result cannot be serialized as JSON", extra={"method": call.method})
        return Outcome.failed(
            ErrorData(code=INTERNAL_ERROR, message="The result cannot be serialized as JSON.")
        )


def _failure(call: Call, error: Exception) -> Outcome:
    """The outcome of a handler that raised this."""
    failure = error.outage if isinstance(error, InterruptedTool) else error
    if isinstance(failure, Refused):
        refusal = ErrorData(code=INVALID_REQUEST, message=str(failure), data=failure.data)
        return Outcome.failed(refusal, failure)
    if isinstance(failure, Unavailable):
        fields = {"method": call.method, "reason": str(failure)}
        logger.error("request failed: %s unavailable", _NAMES[failure.store], extra=fields)
        return Outcome.failed(ErrorData(code=INTERNAL_ERROR, message=failure.store.value), failure)
    return Outcome.failed(modern_error_data(error))


def tell_answered(call: Call, outcome: Outcome | None, reason: str | None = None) -> None:
    """Tell observers, once, how a call is about to be answered.

    Args:
        call: The call.
        outcome: What its client gets; None if the call was cancelled, and gets no response.
        reason: Why it gets this error, in a word.
    """
    if call.is_told or "answered" not in call.observers:
        return
    call.is_told = True
    code = None
    if outcome is None:
        kind = "cancelled"
    elif outcome.error is not None:
        kind, code = "error", outcome.error.code
    else:
        kind = "tool_error" if outcome.result and outcome.result.get("isError") else "result"
    seconds = time.perf_counter() - call.began
    call.observers.tell_now(
        "answered", call.facts, AnswerFacts(kind, seconds, call.runs, code, reason=reason)
    )


def _tell_cancelled(call: Call, seconds: float) -> None:
    """Tell observers how a call ended whose task was cancelled, unless another process goes on with it."""
    if (kind := call.cancelled_as) is not None:
        outcome = CallOutcome(kind, seconds, None if kind == "result" else kind)
        call.observers.tell("call_finished", call.facts, outcome)


def _tell_finished(call: Call, outcome: Outcome, seconds: float) -> None:
    """Tell observers how a call ended, and what it asked its client."""
    tell, facts = call.observers.tell, call.facts
    result = outcome.result or {}
    if result.get("resultType") == "input_required":
        for question in (result.get("inputRequests") or {}).values():
            tell("call_asked", facts, question["method"])
    if outcome.error is not None:
        ended = CallOutcome("error", seconds, str(outcome.error.code))
    elif result.get("isError"):
        ended = CallOutcome("tool_error", seconds, "tool_error")
    else:
        ended = CallOutcome("result", seconds, None)
    tell("call_finished", facts, ended)
