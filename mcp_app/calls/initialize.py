"""Opening a session: the `initialize` request, and the record that it leaves behind."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from mcp_types import InitializeRequestParams, JSONRPCRequest
from pydantic import ValidationError

from mcp_app.calls.call import Answer, Exchange, SessionChannel
from mcp_app.calls.registry import Calls
from mcp_app.protocol.client_capabilities import known
from mcp_app.protocol.error_codes import invalid_params
from mcp_app.sdk import Connection, modern_error_data, serve_one
from mcp_app.sessions.record import SessionRecord

logger = logging.getLogger(__name__)


async def initialize(
    calls: Calls,
    record: SessionRecord,
    request: JSONRPCRequest,
    headers: Mapping[str, str],
    *,
    store: Callable[[SessionRecord], Awaitable[None]],
) -> tuple[SessionRecord | None, Answer]:
    """Run `initialize`; the session's completed record (None when it failed), and the answer.

    Args:
        calls: Where the exchange belongs.
        record: The session as far as it is known; it is stored only when the request succeeds.
        request: The `initialize` request.
        headers: Of the HTTP request.
        store: Puts the record of a new session on record, or completes one that is there already.

    Raises:
        Unavailable: The record could not be stored.
    """
    answer: Answer = {"jsonrpc": "2.0", "id": request.id}
    try:
        given = request.params or {}
        declared = {**given, "capabilities": known(given.get("capabilities"))} if given else given
        params = InitializeRequestParams.model_validate(declared, by_name=False)
    except ValidationError as error:
        refusal = invalid_params(error, request.params).error
        return None, answer | {"error": refusal.model_dump(mode="json", exclude_none=True)}
    record = replace(record, client_params=params)
    exchange = Exchange(calls, record, request, headers)
    connection = Connection.for_loop(SessionChannel(calls, exchange.live_session), session_id=record.id)
    try:
        result = await serve_one(
            calls.server,
            exchange,
            request.method,
            request.params,
            connection=connection,
            lifespan_state=calls.lifespan_state,
        )
    except Exception as error:
        return None, answer | {"error": modern_error_data(error).model_dump(mode="json", exclude_none=True)}
    record = replace(record, protocol_version=connection.protocol_version)
    await store(record)
    logger.info(
        "session opened",
        extra={
            "session": record.id[:8],
            "username": record.user,
            "client": record.client,
            "revision": record.protocol_version,
            "software": f"{params.client_info.name} {params.client_info.version}",
        },
    )
    return record, answer | {"result": result}
