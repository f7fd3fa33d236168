"""A tool for administrators that inspects the server, and so needs an additional scope."""

import platform
from importlib.metadata import version

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field

from mcp_app import __version__
from mcp_app.access import needing

READING = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
PACKAGES = ("mcp", "django", "channels", "daphne", "django-oauth-toolkit")


class ServerDescription(BaseModel):
    """What this server is made of."""

    model_config = ConfigDict(title="Server description")

    name: str = Field(description="Its name")
    version: str = Field(description="Its version")
    python: str = Field(description="The version of Python that runs it")
    system: str = Field(description="The operating system it runs on")
    packages: dict[str, str] = Field(description="The versions of the packages it stands on")


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
        description="Tells what the server is made of; needs the scope mcp:admin: shows step-up",
        annotations=READING,
        meta=needing("mcp:admin"),
    )
