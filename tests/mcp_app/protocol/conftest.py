"""A small server, to which everything is added that follows from the protocol."""

import pytest
from mcp.server.mcpserver import MCPServer

from tests.support.engine import make_engine
from tests.support.in_memory import ERAS


def build(engine) -> MCPServer:
    server = MCPServer("small", version="1", **engine.options())

    @server.tool()
    async def echo(message: str) -> str:
        """Says it again"""
        return message

    @server.resource("test://one", mime_type="text/plain")
    async def one() -> str:
        return "one"

    @server.resource("test://named/{name}")
    async def named(name: str) -> str:
        return name

    return server


@pytest.fixture
def server() -> MCPServer:
    return make_engine().build(build)


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """The handshake's revisions, and 2026-07-28."""
    return request.param
