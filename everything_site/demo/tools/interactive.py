"""Tools that use the client: sampling, elicitation and roots.

At 2026-07-28 the result is an `InputRequiredResult` until there is an answer; see `mcp_app.asking`.
"""

import json
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.types import (
    CallToolResult,
    CreateMessageResultWithTools,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    TextContent,
    ToolAnnotations,
)
from pydantic import BaseModel, ConfigDict, Field, RootModel

from everything_site.demo.tools.basics import INTEGER
from everything_site.demo.tools.results import text_result
from mcp_app.asking import (
    ELICITATION,
    MODEL_DEADLINE,
    PERSON_DEADLINE,
    NamedRoots,
    ask,
    form,
    question,
    text_of,
)
from mcp_app.server import SINCE

# Read-only, but the client is external, and its answers vary.
ASKING = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)

INPUTS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Full Name", "description": "Your full, legal name"},
        "check": {"type": "boolean", "title": "Agree to terms", "description": "A boolean check"},
        "color": {
            "type": "string",
            "title": "Favorite Color",
            "description": "Favorite color (open text)",
            "default": "blue",
        },
        "email": {
            "type": "string",
            "title": "Email Address",
            "format": "email",
            "description": "Your email address (not stored)",
        },
        "homepage": {
            "type": "string",
            "title": "Homepage",
            "format": "uri",
            "description": "Homepage / personal site",
        },
        "birthdate": {
            "type": "string",
            "title": "Birthdate",
            "format": "date",
            "description": "Your date of birth (not stored)",
        },
        "integer": {
            "type": "integer",
            "title": "Favorite Integer",
            "description": "Your favorite integer (no phone numbers or PINs, please)",
            "minimum": 1,
            "maximum": 100,
            "default": 42,
        },
        "number": {
            "type": "number",
            "title": "Favorite Number",
            "description": "Favorite number (there are no wrong answers)",
            "minimum": 0,
            "maximum": 1000,
            "default": 3.14,
        },
        "petType": {
            "type": "string",
            "title": "Pet type",
            "description": "Your favorite pet type",
            "enum": ["cats", "dogs", "birds", "fish", "reptiles"],
            "enumNames": ["Cats", "Dogs", "Birds", "Fish", "Reptiles"],
            "default": "dogs",
        },
    },
    "required": ["name"],
}


MAX_TOKENS = 1_000_000  # more than any model writes, and exact in every client


def context_is_supported(ctx: Context) -> bool:
    """Whether `includeContext` may be sent (client/sampling: only with `sampling.context`)."""
    declared = ctx.client_capabilities
    return bool(declared and declared.sampling and declared.sampling.context is not None)


class Completion(BaseModel):
    """What the client's model said."""

    text: str = Field(description="The text")
    model: str = Field(description="The name of the model, as the client says it")


async def sample_llm(
    ctx: Context,
    prompt: Annotated[str, Field(description="The prompt to send to the LLM")],
    maxTokens: Annotated[
        int,
        Field(
            ge=1,
            le=MAX_TOKENS,
            title="Maximum number of tokens",
            description="Maximum number of tokens to generate",
        ),
        INTEGER,
    ] = 100,
) -> Annotated[CallToolResult, Completion] | InputRequiredResult:
    request = question(
        f"Resource sampleLLM context: {prompt}",
        max_tokens=maxTokens,
        system_prompt="You are a helpful test server.",
        temperature=0.7,
        include_context="thisServer" if context_is_supported(ctx) else None,
    )
    answer = await ask(ctx, "completion", request, CreateMessageResultWithTools, deadline=MODEL_DEADLINE)
    if isinstance(answer, InputRequiredResult):
        return answer
    text = text_of(answer)
    return text_result(f"LLM sampling result: {text}", Completion(text=text, model=answer.model))


class Inputs(BaseModel):
    """What the user answered."""

    action: str = Field(description="accept, decline or cancel")
    content: dict[str, Any] | None = Field(default=None, description="The fields of an accepted form")


async def elicit_inputs(ctx: Context) -> Annotated[CallToolResult, Inputs] | InputRequiredResult:
    request = form("Please provide inputs for the following fields:", INPUTS_SCHEMA)
    answer = await ask(ctx, "inputs", request, ElicitResult, deadline=PERSON_DEADLINE)
    if isinstance(answer, InputRequiredResult):
        return answer
    result = answer.model_dump(mode="json", include={"action", "content"}, exclude_none=True)
    text = f"Elicitation result: {json.dumps(result, indent=2, ensure_ascii=False)}"
    return text_result(text, Inputs(**result))


class FoundRoot(BaseModel):
    """A root of the client."""

    model_config = ConfigDict(title="Root")

    uri: str = Field(title="URI", description="URI of the root")
    name: str | None = Field(default=None, description="Name of the root, if the client gave one")


class FoundRoots(RootModel[list[FoundRoot]]):
    """The client's roots: an array, as structured content may be since 2026-07-28 (SEP-2106)."""

    model_config = ConfigDict(title="Roots")


async def get_roots_list(ctx: Context) -> Annotated[CallToolResult, FoundRoots] | InputRequiredResult:
    answer = await ask(ctx, "roots", ListRootsRequest(), NamedRoots, deadline=MODEL_DEADLINE)
    if isinstance(answer, InputRequiredResult):
        return answer
    lines = [f"{root.name}: {root.uri}" if root.name else root.uri for root in answer.roots]
    text = "The client's roots:\n" + "\n".join(lines) if lines else "The client has no roots."
    found = FoundRoots([FoundRoot(uri=root.uri, name=root.name) for root in answer.roots])
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=found.model_dump(exclude_none=True),
    )


def register(server: MCPServer) -> None:
    server.add_tool(
        sample_llm,
        name="sampleLLM",
        title="Sample the client's LLM",
        description="Samples from an LLM using MCP's sampling feature",
        annotations=ASKING,
    )
    server.add_tool(
        elicit_inputs,
        name="elicitInputs",
        title="Elicit inputs",
        description="Requests user input through a form with fields of every type; waits up to ten minutes",
        annotations=ASKING,
        meta={SINCE: ELICITATION},
    )
    server.add_tool(
        get_roots_list,
        name="get-roots-list",
        title="List the client's roots",
        description="Lists the roots that the client provides",
        annotations=ASKING,
    )
