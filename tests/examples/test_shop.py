"""The first server of docs/your-own-server.md on two processes of this site, which are killed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from mcp import Client
from mcp.types import TextContent

from tests.conformance.__main__ import SHOP
from tests.support.client import connect
from tests.support.deployment import Deployment, deployment

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def shop() -> Iterator[Deployment]:
    with deployment(MCP_SERVER=SHOP) as made:
        yield made


async def price(client: Client) -> str:
    result = await client.call_tool("price", {"item": "pear"})
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text


@pytest.mark.filterwarnings("ignore:The logging capability is deprecated")
@pytest.mark.parametrize("revision", ["2025-06-18", "2025-11-25", "2026-07-28"])
async def test_a_session_survives_that_each_process_is_killed(shop: Deployment, revision: str) -> None:
    async with connect(shop.mcp_url, "auto" if revision == "2026-07-28" else revision) as client:
        assert client.protocol_version == revision
        if revision != "2026-07-28":  # which has no such request
            await client.set_logging_level("warning")
        for server in shop.servers:
            await asyncio.to_thread(server.kill)
            assert [await price(client) for _ in range(3)] == ["45"] * 3
            await asyncio.to_thread(server.start)
        received: list[float] = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            received.append(progress)

        await client.call_tool("stocktake", progress_callback=note)
        assert received == [1, 2]


async def test_clients_are_told_of_changes_that_a_command_announces(shop: Deployment) -> None:
    announce = "from mcp_app import notify; notify.tools_changed()"
    async with (
        asyncio.timeout(60),
        connect(shop.mcp_url, "auto") as client,
        client.listen(tools_list_changed=True) as changes,
    ):
        await asyncio.to_thread(shop.installation.run, "shell", "-c", announce)
        await anext(changes)
