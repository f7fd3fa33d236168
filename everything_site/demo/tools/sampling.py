"""A tool that lets the client's model call a tool of the server: sampling with tools and context.

Specification 2025-11-25, client/sampling, "Sampling with Tools". A loop: the model requests tool calls, the
server executes them and samples again with the results. At 2026-07-28 each turn is a round, and the
conversation is stored in the request state, which the SDK seals.
"""

import operator
from typing import Annotated, Any, TypeGuard

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import (
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResultWithTools,
    InputRequiredResult,
    ModelPreferences,
    SamplingMessage,
    TextContent,
    Tool,
    ToolChoice,
    ToolResultContent,
    ToolUseContent,
)
from pydantic import BaseModel, Field, TypeAdapter

from everything_site.demo.tools.basics import calculate, plain
from everything_site.demo.tools.interactive import ASKING, context_is_supported
from everything_site.demo.tools.results import text_result
from everything_site.demo.words import plural
from mcp_app.asking import MODEL_DEADLINE, SAMPLING_WITH_TOOLS, ask, text_of
from mcp_app.server import SINCE

MAX_TURNS = 5
MAX_TOKENS = 500

MULTIPLY = Tool(
    name="multiply",
    title="Multiply",
    description="Multiplies two numbers exactly",
    input_schema={
        "type": "object",
        "properties": {
            "a": {"type": "number", "description": "First factor"},
            "b": {"type": "number", "description": "Second factor"},
        },
        "required": ["a", "b"],
        "additionalProperties": False,
    },
)

_CONVERSATION: TypeAdapter[list[SamplingMessage]] = TypeAdapter(list[SamplingMessage])


def multiply(call: ToolUseContent) -> ToolResultContent:
    """The result of one tool call of the model; for an invalid call an error that it can read."""
    a, b = call.input.get("a"), call.input.get("b")
    if call.name != MULTIPLY.name or not _is_number(a) or not _is_number(b):
        return _failure(
            call,
            f"Unknown tool or invalid arguments: {call.name}; {MULTIPLY.name} takes two numbers, a and b",
        )
    try:
        product = calculate(operator.mul, a, b)
    except (OverflowError, ValueError):
        return _failure(call, "The product is too large for a JSON number")
    return ToolResultContent(
        type="tool_result", tool_use_id=call.id, content=[TextContent(type="text", text=plain(product))]
    )


def _failure(call: ToolUseContent, text: str) -> ToolResultContent:
    content = TextContent(type="text", text=text)
    return ToolResultContent(type="tool_result", tool_use_id=call.id, content=[content], is_error=True)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Answer(BaseModel):
    """What the client's model said in the end."""

    text: str = Field(description="The text")
    turns: int = Field(description="How often the model was asked")


async def sample_with_tools(
    ctx: Context,
    prompt: Annotated[str, Field(description="What to ask the model; a multiplication is a good start")],
) -> Annotated[CallToolResult, Answer] | InputRequiredResult:
    messages = (
        _CONVERSATION.validate_json(ctx.request_state)
        if ctx.request_state
        else [SamplingMessage(role="user", content=TextContent(type="text", text=prompt))]
    )
    first = sum(message.role == "assistant" for message in messages)
    for turn in range(first, MAX_TURNS):
        answer = await ask(
            ctx,
            f"turn-{turn + 1}",
            _request(ctx, messages),
            CreateMessageResultWithTools,
            deadline=MODEL_DEADLINE,
        )
        if isinstance(answer, InputRequiredResult):
            state = _CONVERSATION.dump_json(messages, by_alias=True, exclude_none=True).decode()
            return answer.model_copy(update={"request_state": state})
        calls = [block for block in answer.content_as_list if isinstance(block, ToolUseContent)]
        if not calls:
            turns, text = turn + 1, text_of(answer)
            return text_result(
                f"After {turns} {plural('turn', turns)} the model said: {text}",
                Answer(text=text, turns=turns),
            )
        messages = [
            *messages,
            SamplingMessage(role="assistant", content=answer.content),
            SamplingMessage(role="user", content=[multiply(call) for call in calls]),
        ]
    raise ToolError(f"the model did not finish within {MAX_TURNS} turns")


def _request(ctx: Context, messages: list[SamplingMessage]) -> CreateMessageRequest:
    return CreateMessageRequest(
        params=CreateMessageRequestParams(
            messages=messages,
            max_tokens=MAX_TOKENS,
            system_prompt="Use the tool for every multiplication, then answer in one sentence.",
            include_context="thisServer" if context_is_supported(ctx) else None,
            model_preferences=ModelPreferences(speed_priority=0.8, intelligence_priority=0.2),
            tools=[MULTIPLY],
            tool_choice=ToolChoice(mode="auto"),
        )
    )


def register(server: MCPServer) -> None:
    server.add_tool(
        sample_with_tools,
        name="sample-with-tools",
        title="Sample with tools",
        description="Samples the client's model and lets it call a multiplication tool, over several turns",
        annotations=ASKING,
        meta={SINCE: SAMPLING_WITH_TOOLS},
    )
