"""Results that are text for models and people, and structured content for programs.

The specification (server/tools, "Structured Content") suggests JSON as the text. Here it is a sentence that
says the same, as clients of the reference server know it.
"""

from mcp.types import CallToolResult, ContentBlock, TextContent
from pydantic import BaseModel


def text_result(text: str, value: BaseModel, *more: ContentBlock) -> CallToolResult:
    """The result of a tool: a sentence, further content, and the value that its output schema describes."""
    content = [TextContent(type="text", text=text), *more]
    return with_value(value, *content)


def with_value(value: BaseModel, *content: ContentBlock) -> CallToolResult:
    """The result of a tool: content, and the value that its output schema describes."""
    return CallToolResult(
        content=list(content), structured_content=value.model_dump(mode="json", by_alias=True)
    )
