"""Suggestions for prompt arguments and template variables while a user types."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from everything_site.demo import resources

# Suggestions by prompt name or URI template, then by argument name. A function computes them from the
# arguments that are already filled in.
Values = Iterable[str] | Callable[[Mapping[str, str]], Iterable[str]]
Suggestions = Mapping[str, Mapping[str, Values]]

RESOURCE_NUMBERS = tuple(str(number) for number in range(1, resources.COUNT + 1))

TEMPERATURES = ("0", "0.5", "0.7", "1.0")
FITTING_TEMPERATURES = {"formal": ("0", "0.5"), "technical": ("0", "0.5"), "casual": ("0.7", "1.0")}


def temperatures(known: Mapping[str, str]) -> Iterable[str]:
    """All temperatures, or those that fit the chosen style."""
    return FITTING_TEMPERATURES.get(known.get("style", ""), TEMPERATURES)


PROMPTS: dict[str, Mapping[str, Values]] = {
    "complex_prompt": {
        "style": ("casual", "formal", "technical", "friendly"),
        "temperature": temperatures,
    },
    "resource_prompt": {"resourceId": RESOURCE_NUMBERS},
}
TEMPLATES: dict[str, Mapping[str, Values]] = {resources.TEMPLATE: {"id": RESOURCE_NUMBERS}}


def register(
    server: MCPServer[Any], prompts: Suggestions = PROMPTS, templates: Suggestions = TEMPLATES
) -> None:
    """Suggest values that start with what was typed; some arguments have no suggestions."""

    @server.completion()  # type: ignore[no-untyped-call]
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion:
        owner = prompts.get(ref.name) if isinstance(ref, PromptReference) else templates.get(ref.uri)
        values = (owner or {}).get(argument.name, ())
        known = (context.arguments if context else None) or {}
        suggested = values(known) if callable(values) else values
        found = [value for value in suggested if value.startswith(argument.value)]
        return Completion(values=found, total=len(found), has_more=False)
