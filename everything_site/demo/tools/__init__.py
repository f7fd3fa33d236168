"""The demonstration tools, one module per topic."""

from mcp.server.mcpserver import MCPServer

from everything_site.demo.tools import (
    basics,
    content,
    inspection,
    interactive,
    long_running,
    sampling,
    simulation_switches,
    structured,
    tasks,
    url_elicitation,
)


def register(server: MCPServer) -> None:
    """Add every tool, simple ones first."""
    for theme in (
        basics,
        long_running,
        content,
        structured,
        interactive,
        sampling,
        url_elicitation,
        simulation_switches,
        tasks,
        inspection,
    ):
        theme.register(server)
