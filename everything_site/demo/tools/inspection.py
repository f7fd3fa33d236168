"""A tool for administrators that inspects the server, and so needs an additional scope."""

import platform
from importlib.metadata import version

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field

from mcp_app import __version__
from mcp_app.access import requires

READING = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
PACKAGES = ("mcp", "django", "channels", "daphne", "django-oauth-toolkit")


class ServerDescription(BaseModel):
    """What this server is made of."""

    model_config = ConfigDict(title="Server description")

    name: str = Field(description="Name of the server")
    version: str = Field(description="Version of the server")
    python: str = Field(description="Python version")
    system: str = Field(description="Operating system")
    packages: dict[str, str] = Field(description="Versions of the packages it depends on")


async def describe_server() -> ServerDescription:
    """Returns no environment variables or settings, as they may be secrets."""
    return ServerDescription(
        name="everything-server",
        version=__version__,
        python=platform.python_version(),
        system=platform.system(),
        packages={name: version(name) for name in PACKAGES},
    )


def register(server: MCPServer) -> None:
    server.add_tool(
        describe_server,
        name="describe-server",
        title="Describe the server",
        description="Returns the versions of the server and its packages; requires the scope mcp:admin, "
        "to demonstrate step-up authorization",
        annotations=READING,
        meta=requires(scopes=["mcp:admin"]),
    )
