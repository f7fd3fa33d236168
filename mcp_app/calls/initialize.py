"""Handles `initialize` and stores the session record."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from mcp.shared.exceptions import MCPError
from mcp_types import InitializeRequestParams, JSONRPCRequest
from pydantic import ValidationError

from mcp_app.calls.backend import Backend
from mcp_app.calls.call import SessionCall
from mcp_app.calls.channel import SessionChannel
from mcp_app.ids import short_id
from mcp_app.observers import SessionFacts
from mcp_app.protocol import client_declaration
from mcp_app.protocol.error_codes import invalid_params
from mcp_app.protocol.serve import Outcome, serve, tell_answered
from mcp_app.protocol.words import shortened
from mcp_app.sdk import Connection
from mcp_app.sessions.record import SessionRecord

logger = logging.getLogger(__name__)


async def initialize(
    backend: Backend,
    record: SessionRecord,
    request: JSONRPCRequest,
    headers: Mapping[str, str],
    *,
    store: Callable[[SessionRecord], Awaitable[None]],
) -> tuple[SessionRecord | None, Outcome]:
    """Run `initialize`. Returns the completed record (None if it failed) and the outcome, to be sent at once.

    Args:
        backend: The backend of this process's calls.
        record: The new session; it is stored only if the request succeeds.
        request: The `initialize` request.
        headers: The headers of the HTTP request.
        store: Stores the record, or completes the existing one.

    Raises:
        Unavailable: The record could not be stored.
    """
    call = SessionCall(backend, record, request, headers)
    completed, outcome = await _initialize(backend, record, request, headers, store)
    if completed is not None:
        call.revision = completed.protocol_version
    tell_answered(call, outcome)
    return completed, outcome


async def _initialize(
    backend: Backend,
    record: SessionRecord,
    request: JSONRPCRequest,
    headers: Mapping[str, str],
    store: Callable[[SessionRecord], Awaitable[None]],
) -> tuple[SessionRecord | None, Outcome]:
    try:
        params = InitializeRequestParams.model_validate(
            client_declaration.initialize(request.params or {}), by_name=False
        )
    except ValidationError as error:
        return None, Outcome.failed(invalid_params(error, request.params).error)
    except MCPError as error:
        return None, Outcome.failed(error.error)
    record = replace(record, client_params=params)
    call = SessionCall(backend, record, request, headers)
    channel = SessionChannel(backend.streams.log, backend.client_requests, call.session)
    connection = Connection.for_loop(channel, session_id=record.id)
    outcome = await serve(backend.server, call, connection, backend.lifespan_state)
    if outcome.error is not None:
        return None, outcome
    record = replace(record, protocol_version=connection.protocol_version)
    await store(record)
    facts = SessionFacts(
        record.id,
        record.protocol_version,
        shortened(record.user),
        shortened(record.client),
        " ".join(map(shortened, (params.client_info.name, params.client_info.version))),
    )
    logger.info(
        "session opened",
        extra={
            "session": short_id(facts.id),
            "username": facts.username,
            "client": facts.client,
            "revision": facts.revision,
            "software": facts.software,
        },
    )
    backend.observers.tell("session_opened", facts)
    return record, outcome
