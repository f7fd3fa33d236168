"""FastMCP's own client, with its own OAuth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import full
import play
from fastmcp import Client
from fastmcp.client.auth import OAuth
from full import LEGACY, MODERN, ROOT
from mcp import types


class SignIn(OAuth):
    """FastMCP's OAuth client, whose browser is played by the run; it listens for the callback itself."""

    async def redirect_handler(self, authorization_url: str) -> None:
        self.browser = asyncio.create_task(play.ask("sign in", url=authorization_url, visit=True))


class Adapter:
    def __init__(self, client: Any, heard: list[str]) -> None:
        self.client = client
        self.heard = heard

    async def names(self) -> list[str]:
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, name: str, arguments: dict[str, Any], progress: Any = None) -> Any:
        return await self.client.call_tool(name, arguments, progress_handler=progress)

    async def prompt(self, name: str) -> Any:
        return await self.client.get_prompt(name)

    async def read(self, uri: str) -> Any:
        return await self.client.read_resource(uri)

    async def page(self, cursor: str | None) -> tuple[list[str], str | None]:
        return [str(one.uri) for one in await self.client.list_resources()], None

    async def complete(self, prompt: str, argument: str, value: str) -> Any:
        reference = types.PromptReference(type="ref/prompt", name=prompt)
        return await self.client.complete(reference, {"name": argument, "value": value})

    async def subscribe(self, uri: str) -> Any:
        return await self.client.session.subscribe_resource(uri)

    async def set_level(self, level: str) -> Any:
        return await self.client.set_logging_level(level)

    async def listen(self) -> None:
        from mcp.client.subscriptions import listen

        async with listen(self.client.session, tools_list_changed=True) as subscription:
            await self.client.call_tool("test_trigger_tool_change")
            play.expect(type(await anext(aiter(subscription))).__name__, "ToolsListChanged")


_AUTH = SignIn(play.URL)


@asynccontextmanager
async def connected(url: str = play.URL, auth: Any = _AUTH) -> AsyncIterator[Adapter]:
    heard: list[str] = []

    async def sample(messages: Any, params: Any, context: Any) -> str:
        return "Paris"

    async def elicit(message: str, response_type: Any, params: Any, context: Any) -> Any:
        return {} if params.mode == "url" else full.filled(params.requested_schema)

    async def hear(message: Any) -> None:
        heard.append(repr(message))

    async with Client(
        url,
        auth=auth,
        mode="auto" if play.MODE == MODERN else "legacy",
        sampling_handler=sample,
        elicitation_handler=elicit,
        roots=[ROOT],
        message_handler=hear,
        timeout=120,
    ) as client:
        play.revision(client.protocol_version)
        yield Adapter(client, heard)


async def sse() -> None:
    url = play.URL.removesuffix("/mcp") + "/sse"
    async with connected(url, SignIn(url)) as adapter:
        await full.separators(adapter)


async def main() -> None:
    await play.common(connected, full.full)
    await full.outages(connected)
    if play.MODE == LEGACY:
        await play.check("HTTP+SSE", sse)


if __name__ == "__main__":
    play.run(main())
