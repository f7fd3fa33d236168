"""Tools that show the content types of results, and annotations."""

from typing import Annotated, Literal

from mcp.server.mcpserver import MCPServer
from mcp.types import Annotations, EmbeddedResource, ImageContent, TextContent
from pydantic import Field

from everything_site.demo import resources
from everything_site.demo.images import image_content
from everything_site.demo.tools.basics import INTEGER, PURE, Boolean


def _text(text: str, annotations: Annotations | None = None) -> TextContent:
    return TextContent(type="text", text=text, annotations=annotations)


# Priority 1 is essential for both, 0.3 optional for the model.
MESSAGES = {
    "error": _text("Error: Operation failed", Annotations(priority=1.0, audience=["user", "assistant"])),
    "success": _text("Operation completed successfully", Annotations(priority=0.7, audience=["user"])),
    "debug": _text(
        "Debug: Cache hit ratio 0.95, latency 150ms", Annotations(priority=0.3, audience=["assistant"])
    ),
}


async def get_tiny_image() -> list[TextContent | ImageContent]:
    return [
        _text("This is a tiny image:"),
        image_content(),
        _text("The image above is the MCP tiny image."),
    ]


async def annotated_message(
    messageType: Annotated[
        Literal["error", "success", "debug"],
        Field(
            title="Message type", description="Type of message to demonstrate different annotation patterns"
        ),
    ],
    includeImage: Annotated[
        Boolean, Field(title="Include an image", description="Whether to include an example image")
    ] = False,
) -> list[TextContent | ImageContent]:
    content: list[TextContent | ImageContent] = [MESSAGES[messageType]]
    if includeImage:
        content.append(image_content(Annotations(priority=0.5, audience=["user"])))
    return content


async def get_resource_reference(
    resourceId: Annotated[
        int,
        Field(
            ge=1,
            le=resources.COUNT,
            title="Resource ID",
            description=f"ID of the resource to reference (1-{resources.COUNT})",
        ),
        INTEGER,
    ],
) -> list[TextContent | EmbeddedResource]:
    return [
        _text(f"Returning resource reference for Resource {resourceId}:"),
        resources.embedded(resourceId),
        _text(f"You can access this resource using the URI: {resources.uri_of(resourceId)}"),
    ]


def register(server: MCPServer) -> None:
    server.add_tool(
        get_tiny_image,
        name="getTinyImage",
        title="Tiny image",
        description="Returns a tiny image between two lines of text",
        annotations=PURE,
    )
    server.add_tool(
        annotated_message,
        name="annotatedMessage",
        title="Annotated message",
        description="Demonstrates how annotations can be used to provide metadata about content",
        annotations=PURE,
    )
    server.add_tool(
        get_resource_reference,
        name="getResourceReference",
        title="Resource reference",
        description="Returns a resource reference that can be used by MCP clients",
        annotations=PURE,
    )
