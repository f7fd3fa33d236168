"""Requests of the server to the client: sampling, elicitation, roots.

The client may POST its response to any process. The address of the waiting process is stored with the
request, and is no part of its id: it may contain the name of a host. The response itself is stored in Redis,
too, as messages between processes may be lost.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, cast

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    REQUEST_TIMEOUT,
    ErrorData,
    JSONRPCError,
    JSONRPCResponse,
)
from redis.asyncio import Redis

from mcp_app.conf import conf
from mcp_app.coordination.bus import Bus, name_in
from mcp_app.coordination.cancellation import raise_if_cancelled
from mcp_app.exceptions import Unavailable, Unreadable, reading
from mcp_app.ids import short_id
from mcp_app.protocol.answers import too_long
from mcp_app.protocol.messages import MalformedAnswer, notification, request
from mcp_app.protocol.words import shortened
from mcp_app.sessions import keys
from mcp_app.sessions.record import SessionRecord

logger = logging.getLogger(__name__)

ANSWERED = "client.answered"

_POLL_SECONDS = 5.0
"""How often a waiting process polls for the response, in case the message about it was lost."""

_CAPABILITIES = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}

Emit = Callable[[dict[str, Any]], Awaitable[None]]


class ClientRequests:
    """The requests to clients of this process that await a response."""

    def __init__(self, redis: Redis, bus: Bus) -> None:
        self._redis = redis
        self._bus = bus
        self._waiting: dict[tuple[str, str], asyncio.Event] = {}
        bus.on(ANSWERED, self._wake)

    async def ask(
        self,
        record: SessionRecord,
        emit: Emit,
        method: str,
        params: Mapping[str, Any] | None,
        timeout_seconds: float | None,
    ) -> dict[str, Any]:
        """Send a request to the client by `emit` and wait for its result.

        Waits for `timeout_seconds`, at most `MCP_CLIENT_REQUEST_SECONDS`.

        Raises:
            MCPError: The client lacks the capability, answered with an error or at too great length, or did
                not answer in time.
        """
        capability = _CAPABILITIES.get(method)
        declared = None if record.client_params is None else record.client_params.capabilities
        if capability is not None and getattr(declared, capability, None) is None:
            raise MCPError(
                INVALID_REQUEST, f"The client did not declare the capability that {method} requires."
            )
        longest = conf.client_request_seconds
        seconds = longest if timeout_seconds is None else min(timeout_seconds, longest)
        request_id = secrets.token_hex(16)
        key = (record.id, request_id)
        self._waiting[key] = asyncio.Event()
        asked = keys.asked(record.id)
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(asked, request_id, f"{method} {self._bus.address}")
                pipe.expire(asked, int(max(longest, conf.session_idle_seconds)) + 1)
                await pipe.execute()
            await emit(request(request_id, method, params))
            if self._bus.activity.watched:
                fields = {"session": record.id, "person": record.person_key, "question": method}
                self._bus.activity.note("question.asked", **fields, request=request_id[-6:])
            try:
                async with asyncio.timeout(seconds):
                    answer = await self._answer(key)
            except TimeoutError:
                late = {"requestId": request_id, "reason": "The answer took too long."}
                with suppress(Unavailable, MCPError):  # there may be no room for it
                    await emit(notification("notifications/cancelled", late))
                raise MCPError(
                    REQUEST_TIMEOUT, f"The client did not answer {method} in {seconds:g} s."
                ) from None
        finally:
            del self._waiting[key]
            with suppress(Unavailable):  # the keys expire
                async with self._redis.pipeline(transaction=True) as pipe:
                    pipe.hdel(asked, request_id)
                    pipe.delete(keys.answer(record.id, request_id))
                    await pipe.execute()
        if isinstance(answer, ErrorData):
            raise MCPError.from_error_data(answer)
        if reason := too_long(method, answer):
            raise MCPError(INVALID_REQUEST, reason)
        return answer

    async def deliver(self, record: SessionRecord, response: JSONRPCResponse | JSONRPCError) -> None:
        """Deliver a client's response to the waiting process.

        A response to no outstanding request of this session is ignored, and so is a second response. An
        error without an id, about a message that the client could not read, is logged.
        """
        request_id = response.id
        if request_id is None and isinstance(response, JSONRPCError):
            fields = {"session": short_id(record.id), "reason": shortened(response.error.message)}
            logger.info("client sent an error without an id", extra=fields)
        if not isinstance(request_id, str):
            return
        asked = keys.asked(record.id)
        found = await cast(Any, self._redis.hget(asked, request_id))
        if found is None:
            return
        answer = response.model_dump_json(by_alias=True, exclude_none=True)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(asked, request_id)
            pipe.set(keys.answer(record.id, request_id), answer, ex=conf.session_idle_seconds, nx=True)
            await pipe.execute()
        address = found.partition(" ")[2]  # empty in earlier releases, whose processes poll
        if self._bus.activity.watched:
            fields = {"session": record.id, "person": record.person_key, "of": name_in(address)}
            self._bus.activity.note("question.answered", **fields, request=request_id[-6:])
        await self._bus.send(address, {"type": ANSWERED, "session": record.id, "request": request_id})

    async def reject(self, record: SessionRecord, answer: MalformedAnswer) -> None:
        """Fail the request whose response is malformed, instead of waiting for another one."""
        error = ErrorData(code=INVALID_REQUEST, message=f"The client's answer is malformed: {answer.reason}")
        await self.deliver(record, JSONRPCError(jsonrpc="2.0", id=answer.answered_id, error=error))

    async def _answer(self, key: tuple[str, str]) -> dict[str, Any] | ErrorData:
        woken = self._waiting[key]
        while True:
            answer = None
            with suppress(Unavailable):  # an outage must not fail the request before its time-out
                answer = await self._redis.get(keys.answer(*key))
            if answer is not None:
                return _parse(answer)
            raise_if_cancelled()
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await woken.wait()
            except TimeoutError:
                continue
            woken.clear()

    def _wake(self, message: dict[str, Any]) -> None:
        waiting = self._waiting.get((message["session"], message["request"]))
        if waiting is not None:
            waiting.set()


def _parse(answer: str | bytes) -> dict[str, Any] | ErrorData:
    """The result or the error in a stored answer. One that cannot be read is an error."""
    try:
        with reading():
            fields = json.loads(answer)
            if "error" in fields:
                return ErrorData.model_validate(fields["error"])
            return dict(fields["result"])
    except Unreadable as error:
        logger.warning("answer of a client cannot be read", extra={"reason": str(error)})
        return ErrorData(code=INTERNAL_ERROR, message="The client's answer cannot be read.")
