"""The demonstration tools, one module a theme."""

from mcp.server.mcpserver import MCPServer

from . import basics, content, interactive, long_running, tasks


def register(server: MCPServer) -> None:
    """Add every tool, in the order in which a newcomer would try them."""
    for theme in (basics, long_running, content, interactive, tasks):
        theme.register(server)
