"""Multi-round requests of 2026-07-28: limits for the request state, and handling of unrequested answers.

Specification 2026-07-28, basic/patterns/mrtr. Both middlewares wrap every tool, prompt and resource.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, TextContent
from pydantic import ValidationError

from mcp_app.protocol.answers import UnfitAnswer, validated
from mcp_app.protocol.context import RequestContext
from mcp_app.protocol.validation_messages import explain, has_too_many
from mcp_app.sdk import CallNext, HandlerResult, ServerMiddleware

RESPONSES = "inputResponses"


def bounded_state(max_request_bytes: int) -> ServerMiddleware[Any]:
    """Fail a call whose state is so long that the retry might exceed the request limit.

    The client sends the state back together with its answers, so it may be half as long as a request. The
    middleware must see the state as it is sent, sealed by the SDK.
    """
    longest = max_request_bytes // 2

    async def middleware(ctx: RequestContext, call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        state = result.get("requestState") if isinstance(result, dict) else None
        if not isinstance(state, str) or len(state) <= longest:
            return result
        text = f"the conversation is too long to continue: its state has more than {longest} bytes"
        if ctx.method != "tools/call":
            raise MCPError(INTERNAL_ERROR, text)
        failure = CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
        return {**failure.model_dump(by_alias=True, mode="json", exclude_none=True), "resultType": "complete"}

    return middleware


async def ignore_stray_answers(ctx: RequestContext, call_next: CallNext) -> HandlerResult:
    """Ignore malformed answers that were not requested; the SDK would reject the whole request.

    A server ignores unrequested answers (basic/patterns/mrtr, "Server Requirements"). Only the handler knows
    what it requested, and it requests only what is missing. So malformed answers are dropped, and rejected if
    the handler then requests them.
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
        if not stray or not isinstance(result, dict):
            return result
        asked = result.get("inputRequests")
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
    """The keys of malformed answers; empty if anything else in the request is invalid."""
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
    """Add both: the first outside of the SDK's sealing middleware, the second next to the handlers."""
    server.middleware.insert(0, bounded_state(max_request_bytes))
    server.middleware.append(ignore_stray_answers)
