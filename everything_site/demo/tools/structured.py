"""Tools with structured output, resource links and audio."""

from typing import Annotated, Literal

from mcp.server.mcpserver import MCPServer
from mcp.types import AudioContent, CallToolResult, ResourceLink, TextContent
from pydantic import BaseModel, Field

from everything_site.demo import resources
from everything_site.demo.images import audio_content, icons
from everything_site.demo.tools.basics import INTEGER, PURE
from everything_site.demo.words import plural

City = Literal["New York", "Chicago", "Los Angeles"]
MAX_LINKS = 10


class Weather(BaseModel):
    """The weather of a city, which never changes here."""

    temperature: float = Field(description="Temperature, in degrees Celsius")
    conditions: str = Field(description="Weather conditions")
    humidity: float = Field(description="Relative humidity, in percent")


WEATHER: dict[City, Weather] = {
    "New York": Weather(temperature=33, conditions="Cloudy", humidity=82),
    "Chicago": Weather(temperature=36, conditions="Light rain / drizzle", humidity=82),
    "Los Angeles": Weather(temperature=73, conditions="Sunny / Clear", humidity=48),
}


async def get_structured_content(
    location: Annotated[City, Field(title="City", description="City to get the weather for")],
) -> Annotated[CallToolResult, Weather]:
    weather = WEATHER[location]
    # server/tools, "Structured Content": also as text, for clients that do not support it.
    return CallToolResult(
        content=[TextContent(type="text", text=weather.model_dump_json())],
        structured_content=weather.model_dump(mode="json"),
        _meta={"everything-server/location": location},
    )


async def get_resource_links(
    count: Annotated[
        int,
        Field(ge=1, le=MAX_LINKS, title="Number of links", description=f"Number of links (1-{MAX_LINKS})"),
        INTEGER,
    ] = 3,
) -> list[TextContent | ResourceLink]:
    are = "is" if count == 1 else "are"
    intro = f"Here {are} {count} resource {plural('link', count)} to resources available in this server:"
    # Odd resources are text and even ones blobs, so the links alternate.
    return [
        TextContent(type="text", text=intro),
        *(resources.link_to(number) for number in range(1, count + 1)),
    ]


async def get_tiny_audio() -> list[TextContent | AudioContent]:
    return [TextContent(type="text", text="This is a tiny sound:"), audio_content()]


def register(server: MCPServer) -> None:
    server.add_tool(
        get_structured_content,
        name="get-structured-content",
        title="Structured content",
        description="Returns the weather in a city as structured content that matches an output schema",
        annotations=PURE,
        icons=icons(),
        meta={"everything-server/shows": ["outputSchema", "structuredContent", "icons", "_meta"]},
    )
    server.add_tool(
        get_resource_links,
        name="get-resource-links",
        title="Resource links",
        description="Returns links to resources, alternating between text and binary ones",
        annotations=PURE,
    )
    server.add_tool(
        get_tiny_audio,
        name="get-tiny-audio",
        title="Tiny audio",
        description="Returns a tenth of a second of audio as WAV",
        annotations=PURE,
    )
