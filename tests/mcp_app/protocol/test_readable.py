"""Looking for the resources of a listen request, of which there may be a thousand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from mcp.server.mcpserver import MCPServer

from mcp_app.protocol.listen import METHOD, URIS
from mcp_app.protocol.readable import Readable


@dataclass
class Request:
    """The part of a request's context that is used here."""

    params: dict[str, Any]
    method: str = METHOD
    protocol_version: str = "2026-07-28"


async def test_others_run_between_the_resources_that_are_looked_for() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    looked: list[int] = []

    class Looking(Readable):
        async def exists(self, ctx: Any, uri: str) -> bool:
            looked.append(turns)
            return uri.endswith("1")

    async def next_handler(ctx: Any) -> Any:
        return ctx.params["notifications"][URIS]

    uris = [f"test://{number}" for number in range(100)]
    request: Any = Request({"notifications": {URIS: uris}})
    running = asyncio.create_task(others())
    honored: Any = await Looking(MCPServer("small"), []).listen(request, next_handler)
    running.cancel()
    assert honored == [uri for uri in uris if uri.endswith("1")]
    assert len(set(looked)) == len(uris), "each in another turn of the event loop"
