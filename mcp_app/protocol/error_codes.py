"""A middleware for the error codes of the specification, with precise messages.

`MCPServer` reports an unknown tool as a tool error, an unknown prompt as an internal error, and a missing
resource with the code of 2026-07-28 at every revision. For malformed parameters the SDK does not say which
(`data: ""`); here the message names each with the reason.
"""

from collections.abc import Awaitable, Callable, Mapping
from difflib import get_close_matches
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, ListToolsResult, PaginatedRequestParams
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from mcp_app.protocol.context import RequestContext
from mcp_app.protocol.validation_messages import explain, has_too_many
from mcp_app.sdk import CallNext, HandlerResult

# Specification up to 2025-11-25, server/resources, "Error Handling". 2026-07-28 replaced it by -32602.
RESOURCE_NOT_FOUND = -32002

MAX_TYPO_LENGTH = 64
"""Longer names get no suggestion."""
SIMILARITY = 0.75
"""The minimum ratio of `difflib` for a suggestion."""

ListTools = Callable[[RequestContext, PaginatedRequestParams], Awaitable[Any]]


def invalid_params(error: ValidationError, params: Mapping[str, Any] | None) -> MCPError:
    """The error for malformed parameters of a request; the message names each, and the reason."""
    # The SDK validates the request by the schema of its revision, then the parameters by its own models.
    whole = not has_too_many(error) and all(
        item["loc"][:1] == ("params",) for item in error.errors(include_url=False)
    )
    reasons = explain(error, {"params": params}) if whole else explain(error, params or {}, "params")
    return MCPError(INVALID_PARAMS, f"Invalid params: {reasons}")


def _refuse_unspecified_token(ctx: RequestContext) -> None:
    """Reject a progress token that is neither a string nor an integer (basic/utilities/progress).

    The SDK takes a boolean for an integer, and then sends no progress; its message about others is half true.
    """
    meta = (ctx.params or {}).get("_meta")
    token = meta.get("progressToken") if isinstance(meta, dict) else None
    if token is not None and type(token) not in (str, int):
        raise MCPError(
            INVALID_PARAMS, "Invalid params: `params._meta.progressToken` must be a string or an integer"
        )


class SpecifiedErrors:
    """Error codes: unknown tool and bad prompt request -32602, missing resource by revision.

    Args:
        may_run: Whether a tool of that name exists for the caller; see `ToolVisibility`.
        list_tools: The handler of `tools/list`: only tools that the caller can see are suggested.
    """

    def __init__(self, may_run: Callable[[str], Awaitable[bool]], list_tools: ListTools) -> None:
        self.may_run = may_run
        self.list_tools = list_tools

    async def __call__(self, ctx: RequestContext, call_next: CallNext) -> HandlerResult:
        if ctx.request_id is None:  # nobody is told of an error in a notification
            return await call_next(ctx)
        try:
            _refuse_unspecified_token(ctx)
            match ctx.method:
                case "tools/call":
                    await self._refuse_unknown_tool(ctx)
                case "prompts/get":
                    return await self._get_prompt(ctx, call_next)
                case "resources/read":
                    return await self._read_resource(ctx, call_next)
            return await call_next(ctx)
        except ValidationError as error:
            raise invalid_params(error, ctx.params) from error
        except MCPError as error:
            if ctx.session.client_params is None and (error.code, error.error.data) == (INVALID_PARAMS, ""):
                raise MCPError(INVALID_PARAMS, f"Send `initialize` before `{ctx.method}`") from error
            raise

    async def _refuse_unknown_tool(self, ctx: RequestContext) -> None:
        name = (ctx.params or {}).get("name")
        if isinstance(name, str) and not await self.may_run(name):
            suggestion = await self._suggestion(ctx, name) if len(name) <= MAX_TYPO_LENGTH else ""
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {name}{suggestion}")

    async def _suggestion(self, ctx: RequestContext, name: str) -> str:
        listed = await self.list_tools(ctx, PaginatedRequestParams())
        tools = listed.tools if isinstance(listed, ListToolsResult) else []
        names = {tool.name.lower(): tool.name for tool in tools}
        close = get_close_matches(name.lower(), names, n=1, cutoff=SIMILARITY)
        return f". Did you mean `{names[close[0]]}`?" if close else ""

    async def _get_prompt(self, ctx: RequestContext, call_next: CallNext) -> HandlerResult:
        try:
            return await call_next(ctx)
        except ValidationError:
            raise  # malformed params, which the SDK answers with -32602 itself
        except ValueError as failure:
            # The SDK raises ValueError for everything. What came from the caller is an unknown
            # prompt or a missing argument (no cause below), or an argument of the wrong type.
            reason = failure.__cause__.__cause__ if failure.__cause__ else None
            if reason is None:
                raise MCPError(INVALID_PARAMS, str(failure)) from failure
            if isinstance(reason, ValidationError):
                arguments = (ctx.params or {}).get("arguments")
                raise MCPError(
                    INVALID_PARAMS, f"Invalid prompt arguments: {explain(reason, arguments)}"
                ) from failure
            raise

    async def _read_resource(self, ctx: RequestContext, call_next: CallNext) -> HandlerResult:
        try:
            return await call_next(ctx)
        except MCPError as error:
            names_uri = isinstance(error.data, dict) and "uri" in error.data
            older = ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS
            if older and names_uri and error.code == INVALID_PARAMS:
                raise MCPError(RESOURCE_NOT_FOUND, error.message, error.data) from error
            raise
