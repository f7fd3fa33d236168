"""The official Python SDK: `ClientSession` of the 1.x line, `Client` of the 2.x line."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import full
import mcp
import play
from full import LEGACY, MODERN, Person
from mcp import types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from sdk_auth import provider

IS_FIRST = not hasattr(mcp, "Client")
SSE_URL = play.URL.removesuffix("/mcp") + "/sse"
EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "clients"


class Adapter:
    """One connected client of either line."""

    def __init__(self, heard: list[str]) -> None:
        self.heard = heard
        self.client: Any = None

    async def names(self) -> list[str]:
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any], progress: Any = None) -> Any:
        return await self.client.call_tool(name, arguments, progress_callback=progress)

    async def prompt(self, name: str) -> Any:
        return await self.client.get_prompt(name)

    async def read(self, uri: str) -> Any:
        return await self.client.read_resource(uri)

    async def page(self, cursor: str | None) -> tuple[list[str], str | None]:
        if IS_FIRST:
            page = await self.client.list_resources(params=types.PaginatedRequestParams(cursor=cursor))
            return [str(one.uri) for one in page.resources], page.nextCursor
        page = await self.client.list_resources(cursor=cursor)
        return [str(one.uri) for one in page.resources], page.next_cursor

    async def complete(self, prompt: str, argument: str, value: str) -> Any:
        reference = types.PromptReference(type="ref/prompt", name=prompt)
        return await self.client.complete(reference, {"name": argument, "value": value})

    async def subscribe(self, uri: str) -> Any:
        return await self.client.subscribe_resource(uri)

    async def set_level(self, level: str) -> Any:
        return await self.client.set_logging_level(level)

    async def listen(self) -> None:
        async with self.client.listen(tools_list_changed=True) as subscription:
            await self.client.call_tool("test_trigger_tool_change")
            play.expect(type(await anext(aiter(subscription))).__name__, "ToolsListChanged")


@asynccontextmanager
async def over(transport: Any, mode: str, **options: Any) -> AsyncIterator[Adapter]:
    """A connected client over any transport of the SDK."""
    person = Person()
    adapter = Adapter([])

    async def hear(message: Any) -> None:
        adapter.heard.append(repr(message))

    options |= {
        "sampling_callback": person.sample,
        "elicitation_callback": person.elicit,
        "list_roots_callback": person.roots,
        "message_handler": hear,
    }
    if IS_FIRST:
        async with transport as streams, mcp.ClientSession(*streams[:2], **options) as session:
            play.revision((await session.initialize()).protocolVersion)
            adapter.client = session
            yield adapter
        return
    async with mcp.Client(transport, mode="auto" if mode == MODERN else "legacy", **options) as client:
        play.revision(client.protocol_version)
        adapter.client = client
        yield adapter


@asynccontextmanager
async def connected(mode: str = play.MODE, **options: Any) -> AsyncIterator[Adapter]:
    if IS_FIRST:
        from httpx import AsyncClient, Timeout
    else:
        from httpx2 import AsyncClient, Timeout
    async with (
        AsyncClient(auth=provider(), timeout=Timeout(30, read=120), follow_redirects=True) as http,
        over(streamable_http_client(play.URL, http_client=http), mode, **options) as adapter,
    ):
        yield adapter


async def sse() -> None:
    async with over(sse_client(SSE_URL, auth=provider(SSE_URL)), LEGACY) as adapter:
        await full.separators(adapter)


async def tasks() -> None:
    sys.path.append(str(EXAMPLES))
    from tasks_extension import Tasks

    async def answer(question: dict[str, Any]) -> dict[str, Any]:
        return {"action": "accept", "content": full.filled(question["params"]["requestedSchema"])}

    extension = Tasks(answer)
    async with connected(extensions=[extension]) as adapter:
        play.expect(await adapter.call("slow_compute", {"seconds": 0.2, "label": "quick"}), "quick: computed")
        if not extension.followed:
            raise play.Surprise("it was no task")


async def main() -> None:
    await play.common(connected, full.full)
    await full.outages(connected)
    if play.MODE == MODERN:
        await play.check("tasks", tasks)
    else:
        await play.check("HTTP+SSE", sse)


if __name__ == "__main__":
    play.run(main())
