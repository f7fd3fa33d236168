"""Middleware for the requests of some methods only.

The SDK sends every message through every middleware, so one that is for a single method would cost all others
as well.
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Any

from mcp_app.protocol.context import RequestContext
from mcp_app.sdk import CallNext, HandlerResult, ServerMiddleware


class ByMethod:
    """A middleware that consists of those for the method of a message."""

    def __init__(self) -> None:
        self._middleware: dict[str, list[ServerMiddleware[Any]]] = {}

    def add(self, middleware: ServerMiddleware[Any], *methods: str) -> None:
        """Put a middleware around the messages of these methods, inside of those that were added before."""
        for method in methods:
            self._middleware.setdefault(method, []).append(middleware)

    async def __call__(self, ctx: RequestContext, call_next: CallNext) -> HandlerResult:
        for middleware in reversed(self._middleware.get(ctx.method, ())):
            call_next = partial(_call, middleware, call_next)
        return await call_next(ctx)


def _call(
    middleware: ServerMiddleware[Any], call_next: CallNext, ctx: RequestContext
) -> Awaitable[HandlerResult]:
    return middleware(ctx, call_next)
