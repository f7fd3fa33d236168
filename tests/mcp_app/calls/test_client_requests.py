"""A request to the client that is not answered in time."""

from __future__ import annotations

from typing import Any, cast

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST, REQUEST_TIMEOUT, JSONRPCResponse
from redis.asyncio import Redis

from mcp_app.calls.client_requests import ClientRequests
from mcp_app.coordination.bus import Bus
from mcp_app.exceptions import Store, Unavailable
from mcp_app.sessions import keys
from tests.support.parts import make_record


@pytest.mark.parametrize(
    "fault",
    [
        MCPError(INVALID_REQUEST, "The sessions of the person hold too much."),
        Unavailable(Store.SESSIONS, "down"),
    ],
    ids=["no room", "outage"],
)
async def test_the_handler_learns_of_the_time_out_even_if_the_client_cannot_be_told(
    redis: Redis, bus: Bus, fault: Exception
) -> None:
    sent: list[str] = []

    async def emit(message: dict[str, Any]) -> None:
        sent.append(message["method"])
        if message["method"] == "notifications/cancelled":
            raise fault

    with pytest.raises(MCPError) as failed:
        await ClientRequests(redis, bus).ask(make_record(), emit, "ping", None, 0.01)
    assert failed.value.code == REQUEST_TIMEOUT
    assert sent == ["ping", "notifications/cancelled"]


async def test_an_answer_to_a_request_of_an_earlier_release_is_kept_for_it(redis: Redis, bus: Bus) -> None:
    """Its address is not stored with it."""
    record, request_id = make_record(), "process.earlier/1"
    await cast(Any, redis.hset(keys.asked(record.id), request_id, "roots/list"))
    answer = JSONRPCResponse(jsonrpc="2.0", id=request_id, result={"roots": []})
    await ClientRequests(redis, bus).deliver(record, answer)
    assert await redis.exists(keys.answer(record.id, request_id))
