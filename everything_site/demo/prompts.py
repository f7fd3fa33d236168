"""The demonstration prompts: plain, with arguments, with an embedded resource, with sound and a link."""

from typing import Annotated

from mcp.server.mcpserver import AssistantMessage, MCPServer, Message, UserMessage
from mcp.server.mcpserver.prompts import Prompt
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS
from pydantic import Field

from everything_site.demo import resources
from everything_site.demo.images import audio_content, icons, image_content


async def simple_prompt() -> list[Message]:
    return [UserMessage("This is a simple prompt without arguments.")]


async def complex_prompt(
    temperature: Annotated[str, Field(description="Temperature setting")],
    style: Annotated[str | None, Field(description="Output style")] = None,
) -> list[Message]:
    # The reference prints "style=undefined" for a style that was not given; this leaves it out.
    settings = f"temperature={temperature}" + (f", style={style}" if style is not None else "")
    return [
        UserMessage(f"This is a complex prompt with arguments: {settings}"),
        AssistantMessage(
            "I understand. You've provided a complex prompt with temperature and style arguments. "
            "How would you like me to proceed?"
        ),
        UserMessage(image_content()),
    ]


async def resource_prompt(
    resourceId: Annotated[str, Field(description=f"Resource ID to include (1-{resources.COUNT})")],
) -> list[Message]:
    number = int(resourceId) if resourceId.isascii() and resourceId.isdigit() and len(resourceId) < 4 else 0
    if not 1 <= number <= resources.COUNT:
        # Specification, server/prompts, "Error Handling": invalid arguments are -32602.
        raise MCPError(
            INVALID_PARAMS,
            f"Invalid resourceId: {resourceId}. Must be a number between 1 and {resources.COUNT}.",
        )
    return [
        UserMessage(f"This prompt includes Resource {number}. Please analyze the following resource:"),
        UserMessage(resources.embedded(number)),
    ]


async def media_prompt() -> list[Message]:
    return [
        UserMessage("This prompt includes audio and a link to a resource. Please describe both."),
        UserMessage(audio_content()),
        UserMessage(resources.link_to(1)),
    ]


def register(server: MCPServer) -> None:
    """Add the prompts; the first three are those of the reference server."""
    for function, title, description in (
        (simple_prompt, "Simple prompt", "A prompt without arguments"),
        (complex_prompt, "Complex prompt", "A prompt with arguments, an assistant message and an image"),
        (resource_prompt, "Resource prompt", "A prompt that includes an embedded resource"),
        (media_prompt, "Media prompt", "A prompt with audio and a link to a resource"),
    ):
        server.add_prompt(Prompt.from_function(function, title=title, description=description, icons=icons()))
