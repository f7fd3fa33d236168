"""Messages of running calls count for the rate of their person, who then sends them slowly."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp.server.mcpserver import Context

from mcp_app.coordination import keys, pacing
from mcp_app.coordination.allowance import CHARGED_BYTES
from mcp_app.coordination.pacing import MESSAGES
from tests.mcp_app.transports.support import (
    LATEST,
    MODERN,
    Held,
    Process,
    call_held,
    text_of,
    tool_call,
    within,
)
from tests.mcp_app.transports.test_floods import ALICE, Client, assert_refused, clean, no_time_to_lose, slow

__all__ = ["clean", "no_time_to_lose", "slow"]

RATE = 10


class Pauses:
    """In place of `asyncio` in the module: pauses that last until they are ended."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.end = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.began.set()
        await self.end.wait()


@pytest.fixture
def talk(one: Process) -> None:
    """A tool that sends so many messages."""

    async def talk(ctx: Context, messages: int) -> str:
        for number in range(messages):
            await ctx.report_progress(number, messages)
        return "said all"

    one.runtime.server.add_tool(talk, structured_output=False)


def call(messages: int) -> dict[str, Any]:
    return tool_call("talk", {"messages": messages}, progress="token")


@pytest.mark.usefixtures("talk")
@pytest.mark.parametrize("revision", [LATEST, MODERN])
async def test_messages_count_for_the_rate(
    one: Process, slow: Any, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    monkeypatch.setattr(pacing, "PAUSE_SECONDS", 0.0)
    client = Client(revision)
    assert (await client.post(one, tool_call("echo", {"message": "x"}))).status == 200
    slow.MCP_REQUEST_RATE = RATE
    one.runtime.quotas._accounts[ALICE].requests = 0
    await one.runtime.redis.delete(keys.quota(ALICE))
    heard = await (await client.post(one, call(RATE * MESSAGES))).messages()
    assert len(heard) == RATE * MESSAGES + 1
    await assert_refused(
        await client.post(one, tool_call("echo", {"message": "x"})), "MCP_REQUEST_RATE", RATE
    )


@pytest.mark.usefixtures("talk")
@pytest.mark.parametrize("revision", [LATEST, MODERN])
async def test_the_messages_of_who_owes_requests_wait_and_nobody_elses(
    one: Process, slow: Any, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    client, neighbour = Client(revision), Client(revision, "bob")
    for each in (client, neighbour):
        assert (await each.post(one, tool_call("echo", {"message": "x"}))).status == 200
    pauses = Pauses()
    monkeypatch.setattr(pacing, "asyncio", pauses)
    held = Held(one)
    running = await client.post(one, call_held())
    assert (await running.next_message())["params"]["message"] == "first"
    one.runtime.quotas.charge(ALICE, 2 * slow.MCP_REQUEST_RATE * CHARGED_BYTES)
    held.go.set()
    await within(pauses.began.wait())
    assert len(await (await neighbour.post(one, call(3))).messages()) == 4
    assert not held.ended.is_set()
    pauses.end.set()
    second, response = await running.messages()
    assert second["params"]["message"] == "second"
    assert text_of(response) == "result"
