"""Servers to test, and the two eras in which to test them."""

import pytest
from mcp.server.mcpserver import MCPServer

from .support import ERAS, build_server


@pytest.fixture(scope="package")
def server() -> MCPServer:
    """The server as it is served by default. It keeps no state, so tests may share it."""
    return build_server()


@pytest.fixture(scope="package")
def fixture_server() -> MCPServer:
    """The server with the fixtures of the conformance suite."""
    return build_server(fixtures=True)


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """The handshake's revisions, and 2026-07-28."""
    return request.param
