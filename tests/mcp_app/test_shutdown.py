"""The orderly end of a process, as its clients see it; SIGTERM itself is in tests/processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels.layers import get_channel_layer

from tests.mcp_app.transports.support import Process, modern, within


@pytest.fixture
async def process(settings: Any) -> AsyncIterator[Process]:
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.NamedTokens"
    process = Process()
    yield process
    await process.stop()
    await get_channel_layer().flush()


@pytest.mark.parametrize("wanted", [{"toolsListChanged": True}, {"resourcesListChanged": True}])
async def test_a_listen_stream_ends_with_the_answer_to_its_request(process: Process, wanted: Any) -> None:
    # Specification 2026-07-28, basic/patterns/subscriptions, "Graceful Closure".
    stream = await modern(process, "subscriptions/listen", {"notifications": wanted})
    acknowledged = await stream.next_message()
    assert process.runtime.drain
    await within(process.runtime.drain.drain())
    (last,) = [event.message async for event in stream.events()]
    assert last["id"] == 1
    assert last["result"]["resultType"] == "complete"
    key = "io.modelcontextprotocol/subscriptionId"
    assert last["result"]["_meta"][key] == acknowledged["params"]["_meta"][key] == 1
