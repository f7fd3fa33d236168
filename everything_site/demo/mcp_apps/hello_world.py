"""The hello-world app: a tool whose result a host shows in an HTML page of this server."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from mcp.server.apps import ResourceCsp, client_supports_apps
from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field

from everything_site.demo.illustrated import IllustratedApps
from everything_site.demo.images import icons
from mcp_app import __version__

URI = "ui://hello-world/app.html"
PAGE = Path(__file__).with_name("hello_world.html")


class Stats(BaseModel):
    """What the page shows about the server."""

    version: str = Field(description="Version of this server")


class HelloWorld(BaseModel):
    """What the page greets with."""

    model_config = ConfigDict(title="Hello world")

    greeting: str = Field(description="The greeting")
    timestamp: str = Field(description="When the tool ran, ISO 8601 in UTC")
    features: list[str] = Field(description="Features that the page shows")
    stats: Stats


async def mcp_apps_hello_world(ctx: Context) -> Annotated[CallToolResult, HelloWorld]:
    hello = HelloWorld(
        greeting="Hello from MCP Apps!",
        timestamp=datetime.now(UTC).isoformat(timespec="milliseconds"),
        features=["interactive UI", "bidirectional communication", "theme support"],
        stats=Stats(version=__version__),
    )
    if client_supports_apps(ctx):
        text = "An interactive UI should have rendered for the user. It shows:"
    else:
        text = (
            "This client did not declare support for MCP Apps. With it, the user would see this data in a UI:"
        )
    # server/tools, "Structured Content": the same as text, for clients that do not read it structured.
    return CallToolResult(
        content=[
            TextContent(type="text", text=text),
            TextContent(type="text", text=hello.model_dump_json()),
        ],
        structured_content=hello.model_dump(mode="json"),
    )


def extension() -> IllustratedApps:
    """The SDK's extension with the tool and its page."""
    apps = IllustratedApps()
    apps.add_html_resource(
        URI,
        PAGE.read_text(encoding="utf-8"),
        name="Hello World MCP App",
        title="Hello World MCP App",
        description="Interactive UI for the mcp_apps_hello_world tool",
        csp=ResourceCsp(connect_domains=[], resource_domains=[]),  # the page needs nothing from elsewhere
        prefers_border=True,
    )
    apps.tool(
        resource_uri=URI,
        title="Hello World app",
        description="Demonstrates MCP Apps - returns an interactive UI that runs in the client",
        icons=icons(),
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )(mcp_apps_hello_world)
    return apps
