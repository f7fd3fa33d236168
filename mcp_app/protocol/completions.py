"""Suggestions for prompt arguments and template variables while a person types.

Specification 2025-11-25 and 2026-07-28, server/utilities/completion. A server provides suggestions with the
SDK's decorator `completion`. This adds errors for unknown references, values for a person's own resources
from their provider, and the limit of the specification.
"""

from collections.abc import Iterable, Sequence
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

from mcp_app.protocol.context import RequestContext
from mcp_app.protocol.personal import PersonalResources, requesting_person

METHOD = "completion/complete"

MAX_VALUES = 100
"""The maximum per response (specification)."""


def matching(values: Iterable[str], start: str) -> Completion:
    """The values that begin with what was typed so far."""
    found = [value for value in values if value.startswith(start)]
    return bounded(Completion(values=found, total=len(found), has_more=False))


def bounded(completion: Completion) -> Completion:
    """A completion of at most `MAX_VALUES` values."""
    values = completion.values
    if len(values) <= MAX_VALUES:
        return completion
    return Completion(values=values[:MAX_VALUES], total=completion.total or len(values), has_more=True)


def register(server: MCPServer[Any], app: Server[Any], providers: Sequence[PersonalResources]) -> None:
    """Serve `completion/complete`, if the server or a provider has suggestions.

    An argument may have none; an unknown prompt or template is an error.
    """
    own = app.get_request_handler(METHOD)
    if own is None and not providers:
        return
    by_template = {provider.template.uri_template: provider for provider in providers}

    async def complete(ctx: RequestContext, params: CompleteRequestParams) -> CompleteResult:
        ref, argument = params.ref, params.argument
        if isinstance(ref, PromptReference):
            if ref.name not in {prompt.name for prompt in await server.list_prompts()}:
                raise MCPError(INVALID_PARAMS, f"Unknown prompt: {ref.name}")
        elif (provider := by_template.get(ref.uri)) is not None:
            known = (params.context.arguments if params.context else None) or {}
            values = await provider.complete(requesting_person(ctx), argument.name, known)
            return CompleteResult(completion=matching(values, argument.value))
        elif ref.uri not in {template.uri_template for template in await server.list_resource_templates()}:
            raise MCPError(INVALID_PARAMS, f"Unknown resource template: {ref.uri}")
        if own is None:
            return CompleteResult(completion=Completion(values=[], total=0, has_more=False))
        result = await own.handler(ctx, params)
        assert isinstance(result, CompleteResult)
        return CompleteResult(completion=bounded(result.completion))

    app.add_request_handler(METHOD, CompleteRequestParams, complete)
