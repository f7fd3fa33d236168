"""The frameworks for agents in Python: each is connected to the server as its users would, without a model.

One function connects one framework and yields what calls its tools; the framework is chosen by its name in
`clients.toml`. Nothing else differs between them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import play
from play import TOKEN, URL

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
TOOLS = ("echo", "longRunningOperation", "get-structured-content", "getTinyImage")
MODERN = "2026-07-28"


@dataclass
class Tools:
    """A connected framework; `resources` is None where it offers none."""

    call: Callable[[str, dict[str, Any]], Awaitable[Any]]
    names: Callable[[], Awaitable[list[str]]]
    resources: Callable[[], Awaitable[Any]] | None = None


def _given(names: Any) -> Callable[[], Awaitable[list[str]]]:
    async def given() -> list[str]:
        return [str(name) for name in names]

    return given


def _auth() -> Any:
    from sdk_auth import provider

    return provider()


@asynccontextmanager
async def langchain() -> AsyncIterator[Tools]:
    from langchain_mcp_adapters.client import MultiServerMCPClient
    from langchain_mcp_adapters.tools import load_mcp_tools

    connection: Any = {"transport": "streamable_http", "url": URL, "auth": _auth()}
    client = MultiServerMCPClient({"everything": connection})
    async with client.session("everything") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}

        async def call(name: str, arguments: dict[str, Any]) -> Any:
            return await tools[name].ainvoke(
                {"type": "tool_call", "id": "1", "name": name, "args": arguments}
            )

        yield Tools(call, _given(tools), lambda: client.get_resources("everything"))


@asynccontextmanager
async def openai_agents() -> AsyncIterator[Tools]:
    from agents.mcp import MCPServerStreamableHttp

    params: Any = {"url": URL, "headers": HEADERS}
    async with MCPServerStreamableHttp(params=params, client_session_timeout_seconds=60) as server:
        tools = await server.list_tools()
        yield Tools(server.call_tool, _given(tool.name for tool in tools), server.list_resources)


@asynccontextmanager
async def pydantic_ai() -> AsyncIterator[Tools]:
    from pydantic_ai.mcp import MCPToolset

    async with MCPToolset(URL, auth=_auth()) as toolset:
        tools = await toolset.list_tools()
        yield Tools(toolset.direct_call_tool, _given(tool.name for tool in tools), toolset.list_resources)


@asynccontextmanager
async def mcp_use() -> AsyncIterator[Tools]:
    from mcp_use import MCPClient

    client = MCPClient({"mcpServers": {"everything": {"url": URL, "auth": _auth()}}})
    session = await client.create_session("everything")
    try:
        tools = await session.list_tools()
        yield Tools(session.call_tool, _given(tool.name for tool in tools), session.list_resources)
    finally:
        await client.close_all_sessions()


@asynccontextmanager
async def llama_index() -> AsyncIterator[Tools]:
    from llama_index.tools.mcp import BasicMCPClient

    client = BasicMCPClient(URL, auth=_auth())
    tools = (await client.list_tools()).tools
    yield Tools(client.call_tool, _given(tool.name for tool in tools), client.list_resources)


@asynccontextmanager
async def smolagents() -> AsyncIterator[Tools]:
    from smolagents import MCPClient

    parameters = {"url": URL, "transport": "streamable-http", "headers": HEADERS}
    client = await asyncio.to_thread(lambda: MCPClient(parameters, structured_output=True))
    try:
        # It renames what is no name in Python.
        tools = {tool.name: tool for tool in client.get_tools()}

        async def call(name: str, arguments: dict[str, Any]) -> Any:
            return await asyncio.to_thread(lambda: tools[name.replace("-", "_")](**arguments))

        yield Tools(call, _given(tools))
    finally:
        await asyncio.to_thread(client.disconnect)


@asynccontextmanager
async def google_adk() -> AsyncIterator[Tools]:
    from google.adk.tools.mcp_tool import McpToolset, StreamableHTTPConnectionParams

    toolset = McpToolset(
        connection_params=StreamableHTTPConnectionParams(url=URL, headers=HEADERS, timeout=30)
    )
    try:
        tools = {tool.name: tool for tool in await toolset.get_tools()}

        class Context:  # what a tool asks of the run of an agent that calls it
            state: dict[str, Any] = {}
            tool_confirmation = None
            function_call_id = "1"

        async def call(name: str, arguments: dict[str, Any]) -> Any:
            return await tools[name].run_async(args=arguments, tool_context=Context())

        yield Tools(call, _given(tools), toolset.list_resources)
    finally:
        await toolset.close()


@asynccontextmanager
async def strands() -> AsyncIterator[Tools]:
    from strands.tools.mcp import MCPClient

    client = await asyncio.to_thread(lambda: MCPClient(url=URL, auth_provider=_auth()).start())
    try:
        tools = await asyncio.to_thread(client.list_tools_sync)

        async def call(name: str, arguments: dict[str, Any]) -> Any:
            return await client.call_tool_async("1", name, arguments)

        async def resources() -> Any:
            return (await asyncio.to_thread(client.list_resources_sync)).resources

        yield Tools(call, _given(tool.tool_name for tool in tools), resources)
    finally:
        await asyncio.to_thread(lambda: client.stop(None, None, None))


@asynccontextmanager
async def agno() -> AsyncIterator[Tools]:
    from agno.tools.mcp import MCPTools, StreamableHTTPClientParams

    mode: Any = "auto" if play.MODE == MODERN else "legacy"
    params = StreamableHTTPClientParams(url=URL, headers=HEADERS)
    async with MCPTools(
        server_params=params, transport="streamable-http", timeout_seconds=60, protocol_mode=mode
    ) as toolkit:

        async def call(name: str, arguments: dict[str, Any]) -> Any:
            entrypoint = toolkit.functions[name].entrypoint
            assert entrypoint is not None
            return await entrypoint(**arguments)

        yield Tools(call, _given(toolkit.functions))


@asynccontextmanager
async def autogen() -> AsyncIterator[Tools]:
    from autogen_ext.tools.mcp import McpWorkbench, StreamableHttpServerParams

    async with McpWorkbench(StreamableHttpServerParams(url=URL, headers=HEADERS)) as workbench:
        tools = await workbench.list_tools()
        yield Tools(workbench.call_tool, _given(tool["name"] for tool in tools), workbench.list_resources)


@asynccontextmanager
async def semantic_kernel() -> AsyncIterator[Tools]:
    from semantic_kernel.connectors.mcp import MCPStreamableHttpPlugin

    async with MCPStreamableHttpPlugin(name="everything", url=URL, headers=HEADERS) as plugin:

        async def call(name: str, arguments: dict[str, Any]) -> Any:
            return [content.to_dict() for content in await plugin.call_tool(name, **arguments)]

        yield Tools(call, _given(name for name in TOOLS if hasattr(plugin, name)))


@asynccontextmanager
async def haystack() -> AsyncIterator[Tools]:
    from haystack.utils import Secret
    from haystack_integrations.tools.mcp import MCPToolset, StreamableHttpServerInfo

    info = StreamableHttpServerInfo(url=URL, token=Secret.from_token(TOKEN))
    toolset = await asyncio.to_thread(
        lambda: MCPToolset(info, eager_connect=True, tool_names=list(TOOLS), invocation_timeout=60)
    )
    try:
        tools = {tool.name: tool for tool in toolset}

        async def call(name: str, arguments: dict[str, Any]) -> Any:
            return await asyncio.to_thread(lambda: tools[name].invoke(**arguments))

        yield Tools(call, _given(tools))
    finally:
        await asyncio.to_thread(toolset.close)


@asynccontextmanager
async def mcp_agent() -> AsyncIterator[Tools]:
    from mcp_agent.app import MCPApp
    from mcp_agent.config import MCPServerSettings, MCPSettings, Settings
    from mcp_agent.mcp.gen_client import gen_client

    server = MCPServerSettings(transport="streamable_http", url=URL, headers=HEADERS)
    app = MCPApp(name="client", settings=Settings(mcp=MCPSettings(servers={"everything": server})))
    async with app.run() as running, gen_client("everything", running.server_registry) as session:
        tools = (await session.list_tools()).tools

        async def resources() -> Any:
            return (await session.list_resources()).resources

        yield Tools(session.call_tool, _given(tool.name for tool in tools), resources)


@asynccontextmanager
async def crewai() -> AsyncIterator[Tools]:
    from crewai_tools import MCPServerAdapter

    parameters = {"url": URL, "transport": "streamable-http", "headers": HEADERS}
    adapter = await asyncio.to_thread(lambda: MCPServerAdapter(parameters))
    try:
        tools = {tool.name: tool for tool in adapter.tools}

        async def call(name: str, arguments: dict[str, Any]) -> Any:
            # It renames what is no name in Python.
            tool = tools[re.sub(r"-|(?<=[a-z])(?=[A-Z])", "_", name).lower()]
            return await asyncio.to_thread(lambda: tool.run(**arguments))

        yield Tools(call, _given(tools))
    finally:
        await asyncio.to_thread(adapter.stop)


@asynccontextmanager
async def agent_framework() -> AsyncIterator[Tools]:
    from agent_framework import MCPStreamableHTTPTool

    async with MCPStreamableHTTPTool("everything", URL, static_headers=HEADERS, request_timeout=60) as tool:

        async def call(name: str, arguments: dict[str, Any]) -> Any:
            answer = await tool.call_tool(name, **arguments)
            return answer if isinstance(answer, str) else [content.to_dict() for content in answer]

        yield Tools(call, _given(function.name for function in tool.functions))


async def more(tools: Tools) -> None:
    """What a framework offers besides the tools."""
    if tools.resources is None:
        return
    listing = tools.resources

    async def all_pages() -> None:
        found = await listing()
        found = getattr(found, "resources", found)
        if len(found) < 100:
            raise play.Surprise(f"{len(found)} resources, the first page only")

    await play.check("all pages", all_pages)


if __name__ == "__main__":
    connect: Any = globals()[os.environ["CLIENT"].replace("-", "_")]
    with contextlib.suppress(KeyboardInterrupt):
        play.run(play.common(connect, more))
