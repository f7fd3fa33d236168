"""What the tests of the official Python client leave out: the first revision, `ping`, invalid arguments."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.types import CallToolResult, Tool

from mcp_app.testing.revisions import asking_for
from tests.e2e.tools import text_of, wrong_for
from tests.support.client import connect, sign_in
from tests.support.deployment import Deployment

FIRST = "2024-11-05"
HANDSHAKE = ("2025-03-26", "2025-06-18", "2025-11-25")
MODERN = "2026-07-28"
WAIT = 30

pytestmark = [
    pytest.mark.processes,
    # The client calls these features deprecated; servers of the earlier revisions have them.
    pytest.mark.filterwarnings(
        f"ignore::{MCPDeprecationWarning.__module__}.{MCPDeprecationWarning.__name__}"
    ),
]


async def test_the_first_revision_is_supported_over_its_own_transport(site: Deployment) -> None:
    headers = {"Authorization": f"Bearer {await sign_in(site.mcp_url)}"}
    heard: list[float] = []

    async def heard_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    with anyio.fail_after(WAIT):
        transport = asking_for(FIRST, sse_client(f"{site.url}/sse", headers=headers))
        async with Client(transport, mode="legacy") as client:
            assert client.protocol_version == FIRST
            await client.send_ping()
            for word in ("one", "two"):  # posted to one process and to the other
                assert text_of(await client.call_tool("echo", {"message": word})) == f"Echo: {word}"
            await client.call_tool(
                "longRunningOperation", {"duration": 0.2, "steps": 2}, progress_callback=heard_progress
            )
            assert heard == [1, 2]
            assert len((await client.list_resources()).resources) == 10
            assert (await client.read_resource("test://static/resource/1")).contents
            assert (await client.get_prompt("simple_prompt")).messages


@pytest.mark.parametrize("revision", HANDSHAKE)
async def test_a_ping_is_answered(site: Deployment, revision: str) -> None:
    with anyio.fail_after(WAIT):
        async with connect(site.mcp_url, revision) as client:
            assert client.protocol_version == revision
            await client.send_ping()


@pytest.mark.parametrize("revision", [*HANDSHAKE, MODERN])
async def test_bad_arguments_of_every_tool_are_an_error_and_harm_nobody(
    site: Deployment, revision: str
) -> None:
    answers: list[tuple[str, dict[str, Any], CallToolResult | MCPError]] = []

    async def call(client: Client, tool: Tool) -> None:
        for _, wrong in wrong_for(tool):
            try:
                answers.append((tool.name, wrong, await client.call_tool(tool.name, wrong)))
            except MCPError as error:
                answers.append((tool.name, wrong, error))

    with anyio.fail_after(WAIT):
        async with connect(site.mcp_url, "auto" if revision == MODERN else revision) as client:
            async with anyio.create_task_group() as tasks:
                for tool in (await client.list_tools()).tools:
                    tasks.start_soon(call, client, tool)
            for number in range(2):  # each process
                assert text_of(await client.call_tool("echo", {"message": str(number)})) == f"Echo: {number}"
    assert len({name for name, _, _ in answers}) > 15
    for name, wrong, answer in answers:
        assert isinstance(answer, MCPError) or answer.is_error, (name, wrong)
        if isinstance(answer, CallToolResult):
            assert text_of(answer), f"the model can read what is wrong with a call of {name}"
