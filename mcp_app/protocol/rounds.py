"""The rounds of 2026-07-28: what comes back with a retry, and what may be sent for the next one.

Specification 2026-07-28, basic/patterns/mrtr. Both middlewares stand around every tool, prompt and resource.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, TextContent
from pydantic import ValidationError

from mcp_app.protocol.answers import UnfitAnswer, validated
from mcp_app.protocol.validation_messages import explain, has_too_many
from mcp_app.sdk import CallNext, HandlerResult, ServerMiddleware

RESPONSES = "inputResponses"

Context = ServerRequestContext[Any, Any]


def bounded_state(max_request_bytes: int) -> ServerMiddleware[Any]:
    """End a call whose state has grown so long that the retry with it might be refused.

    The state comes back in a request, together with the answers. So it may take half of a request; a tool
    that would send more has failed. It must see the state as it is sent, sealed by the SDK.
    """
    longest = max_request_bytes // 2

    async def middleware(ctx: Context, call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        state = result.get("requestState") if isinstance(result, Mapping) else None
        if not isinstance(state, str) or len(state) <= longest:
            return result
        text = f"the conversation has grown too long to go on: its state has more than {longest} bytes"
        if ctx.method != "tools/call":
            raise MCPError(INTERNAL_ERROR, text)
        failure = CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
        return {**failure.model_dump(by_alias=True, mode="json", exclude_none=True), "resultType": "complete"}

    return middleware


async def ignore_stray_answers(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Ignore malformed answers to what was not asked, which the SDK refuses together with the request.

    A server ignores what it did not ask for (basic/patterns/mrtr, "Server Requirements"). What it asked only
    the handler knows, and only a handler that finds no answer asks: so an answer that is malformed is left
    out, and refused when the handler then asks for the very same.
    """
    stray: dict[str, str] = {}
    given: Mapping[str, Any] = ctx.params or {}
    while True:
        try:
            result = await call_next(ctx)
        except ValidationError as error:
            malformed = _malformed_answers(error, ctx.params) - stray.keys()
            if not malformed:
                raise
            stray |= dict.fromkeys(malformed, explain(error, {"params": ctx.params}))
            kept = {key: answer for key, answer in given[RESPONSES].items() if key not in stray}
            ctx = replace(ctx, params={**(ctx.params or {}), RESPONSES: kept})
            continue
        asked = result.get("inputRequests") if stray and isinstance(result, Mapping) else None
        for key, request in (asked or {}).items():
            if key in stray:
                reason = stray[key]
                try:
                    validated(request["method"], given[RESPONSES][key], f"params.{RESPONSES}.{key}")
                except UnfitAnswer as unfit:
                    reason = str(unfit)
                raise MCPError(INVALID_PARAMS, f"Invalid params: {reason}")
        return result


def _malformed_answers(error: ValidationError, params: Mapping[str, Any] | None) -> set[str]:
    """The keys of the answers that are all that is wrong with a request; none if anything else is wrong."""
    if has_too_many(error):
        return set()
    responses = (params or {}).get(RESPONSES)
    keys: set[str] = set()
    for item in error.errors(include_url=False):
        steps = item["loc"][1:] if item["loc"][:1] == ("params",) else item["loc"]
        if len(steps) < 2 or steps[0] != RESPONSES or not isinstance(responses, dict):
            return set()
        keys.add(str(steps[1]))
    return keys & set(responses or ())


def register(server: MCPServer, max_request_bytes: int) -> None:
    """Add both: the first outside of the SDK's seal, the second next to the handlers."""
    server.middleware.insert(0, bounded_state(max_request_bytes))
    server.middleware.append(ignore_stray_answers)
