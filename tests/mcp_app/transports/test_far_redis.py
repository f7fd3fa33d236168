"""A Redis that is some milliseconds away: streams are slower then, and lose nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp.server.mcpserver import Context

from mcp_app.coordination.layer import channel_layer
from tests.mcp_app.transports.support import LATEST, OLDER, Process, Session, text_of, tool_call
from tests.support.redis_relay import relaying

CALLS, MESSAGES = 50, 10


@pytest.fixture(params=[(3, 0.0), (20, 0.5)], ids=["3 ms", "10 to 30 ms"])
async def far(mcp_settings: Any, request: pytest.FixtureRequest) -> AsyncIterator[Process]:
    """A process whose Redis is some milliseconds away."""
    async with relaying(mcp_settings.REDIS_URL) as relay:
        milliseconds, relay.jitter = request.param
        relay.delay = milliseconds / 1000
        mcp_settings.REDIS_URL = relay.url
        mcp_settings.MCP_REDIS_TIMEOUT_SECONDS = 30.0  # it is far, not unavailable, also on a busy machine
        process = Process()
        yield process
        await process.stop()
        await channel_layer().flush()


@pytest.mark.slow
@pytest.mark.parametrize("revision", [OLDER[1], LATEST])  # the streams of the older one begin without an id
async def test_the_streams_of_fifty_concurrent_chatty_calls_are_complete(far: Process, revision: str) -> None:
    async def chatty(ctx: Context) -> str:
        for number in range(1, MESSAGES + 1):
            await ctx.report_progress(number, MESSAGES)
        return "done"

    far.runtime.server.add_tool(chatty, structured_output=False)
    people = [f"person-{number}" for number in range(CALLS)]  # each within their quota
    sessions = await asyncio.gather(*(Session.open(far, person, revision) for person in people))

    async def call(number: int) -> list[Any]:
        message = tool_call("chatty", id=number, progress=number)
        stream = await sessions[number % len(sessions)].post(far, message)
        return await stream.messages()

    async with asyncio.timeout(60):
        streams = await asyncio.gather(*(call(number) for number in range(CALLS)))
    for number, messages in enumerate(streams):
        *progress, answer = messages
        assert [m["params"]["progress"] for m in progress] == list(range(1, MESSAGES + 1))
        assert (answer["id"], text_of(answer)) == (number, "done")
