"""Suggestions for prompt arguments and template variables while a person types.

Specification 2025-11-25 and 2026-07-28, server/utilities/completion.
"""

from collections.abc import Iterable, Mapping

from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from . import resources

MAX_VALUES = 100  # the most that one answer may carry, by the specification

# What can be suggested: by prompt name or URI template, then by argument name.
Suggestions = Mapping[str, Mapping[str, Iterable[str]]]

RESOURCE_NUMBERS = tuple(str(number) for number in range(1, resources.COUNT + 1))

PROMPTS: Suggestions = {
    "complex_prompt": {
        "style": ("casual", "formal", "technical", "friendly"),
        "temperature": ("0", "0.5", "0.7", "1.0"),
    },
    "resource_prompt": {"resourceId": RESOURCE_NUMBERS},
}
TEMPLATES: Suggestions = {resources.TEMPLATE: {"id": RESOURCE_NUMBERS}}


def matching(values: Iterable[str], start: str) -> Completion:
    """The values that begin with what was typed so far."""
    found = [value for value in values if value.startswith(start)]
    return Completion(values=found[:MAX_VALUES], total=len(found), has_more=len(found) > MAX_VALUES)


def register(
    server: MCPServer, *, prompts: Suggestions = PROMPTS, templates: Suggestions = TEMPLATES
) -> None:
    """Serve `completion/complete`. An argument without suggestions has none; an unknown owner is an error."""

    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion:
        if isinstance(ref, PromptReference):
            if ref.name not in {prompt.name for prompt in await server.list_prompts()}:
                raise MCPError(INVALID_PARAMS, f"Unknown prompt: {ref.name}")
            values = prompts.get(ref.name, {}).get(argument.name, ())
        else:
            if ref.uri not in {template.uri_template for template in await server.list_resource_templates()}:
                raise MCPError(INVALID_PARAMS, f"Unknown resource template: {ref.uri}")
            values = templates.get(ref.uri, {}).get(argument.name, ())
        return matching(values, argument.value)

    server.completion()(complete)  # type: ignore[no-untyped-call]  # the SDK's decorator has no annotation
