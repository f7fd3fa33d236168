"""Suggestions for prompt arguments and template variables while a person types.

Specification 2025-11-25 and 2026-07-28, server/utilities/completion.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from mcp.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    PromptReference,
)

from everything_site.demo import resources
from mcp_app.resources import RequestContext

MAX_VALUES = 100  # the most that one answer may carry, by the specification

# What can be suggested: by prompt name or URI template, then by argument name. What depends on the other
# arguments is a function of those that are known so far.
Values = Iterable[str] | Callable[[Mapping[str, str]], Iterable[str]]
Suggestions = Mapping[str, Mapping[str, Values]]

RESOURCE_NUMBERS = tuple(str(number) for number in range(1, resources.COUNT + 1))

TEMPERATURES = ("0", "0.5", "0.7", "1.0")
FITTING_TEMPERATURES = {"formal": ("0", "0.5"), "technical": ("0", "0.5"), "casual": ("0.7", "1.0")}


def temperatures(known: Mapping[str, str]) -> Iterable[str]:
    """All of them, or those that fit the style that was chosen before."""
    return FITTING_TEMPERATURES.get(known.get("style", ""), TEMPERATURES)


PROMPTS: dict[str, Mapping[str, Values]] = {
    "complex_prompt": {
        "style": ("casual", "formal", "technical", "friendly"),
        "temperature": temperatures,
    },
    "resource_prompt": {"resourceId": RESOURCE_NUMBERS},
}
TEMPLATES: dict[str, Mapping[str, Values]] = {resources.TEMPLATE: {"id": RESOURCE_NUMBERS}}


def matching(values: Iterable[str], start: str) -> Completion:
    """The values that begin with what was typed so far."""
    found = [value for value in values if value.startswith(start)]
    return Completion(values=found[:MAX_VALUES], total=len(found), has_more=len(found) > MAX_VALUES)


# Suggestions that depend on the requester: for a variable, given the request and the other variables so far.
Suggest = Callable[[RequestContext, str, Mapping[str, str]], Awaitable[Iterable[str]]]


def register(
    server: MCPServer,
    app: Server[Any],
    *,
    prompts: Suggestions = PROMPTS,
    templates: Suggestions = TEMPLATES,
    live: Mapping[str, Suggest] | None = None,
) -> None:
    """Serve `completion/complete`. An argument without suggestions has none; an unknown owner is an error.

    `live` names templates whose suggestions are found when they are asked for. They need the context of
    the request, which the SDK's own decorator does not hand on.
    """

    async def complete(ctx: RequestContext, params: CompleteRequestParams) -> CompleteResult:
        ref, argument = params.ref, params.argument
        known = (params.context.arguments if params.context else None) or {}
        values: Values
        if isinstance(ref, PromptReference):
            if ref.name not in {prompt.name for prompt in await server.list_prompts()}:
                raise MCPError(INVALID_PARAMS, f"Unknown prompt: {ref.name}")
            values = prompts.get(ref.name, {}).get(argument.name, ())
        else:
            if ref.uri not in {template.uri_template for template in await server.list_resource_templates()}:
                raise MCPError(INVALID_PARAMS, f"Unknown resource template: {ref.uri}")
            values = templates.get(ref.uri, {}).get(argument.name, ())
            if (suggest := (live or {}).get(ref.uri)) is not None:
                values = await suggest(ctx, argument.name, known)
        found = values(known) if callable(values) else values
        return CompleteResult(completion=matching(found, argument.value))

    app.add_request_handler("completion/complete", CompleteRequestParams, complete)
