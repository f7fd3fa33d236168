"""Handlers for what a session keeps: its log level and its resource subscriptions.

These methods exist up to 2025-11-25 only; at 2026-07-28 a request carries its own log level and
`subscriptions/listen` takes the place of subscriptions. What is kept is the session's business: the
handlers find it at `ctx.request.session`, the `session` attribute of the transport's request object.
`MCPServer` has no decorator for these methods, so they are registered on the low-level server.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    EmptyResult,
    LoggingLevel,
    SetLevelRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)
from starlette.requests import HTTPConnection

from mcp_app.protocol.error_codes import RESOURCE_NOT_FOUND

LONGEST_URI = 2048
"""Characters of a URI that a session keeps; their number is the session layer's to bound."""

Context = ServerRequestContext[Any, Any]
Handler = Callable[[Context, Any], Awaitable[EmptyResult]]
Exists = Callable[[Context, str], Awaitable[bool]]


class TooMuchData(Exception):
    """The session keeps as much as it may. The text says what is too much."""


class SessionValues(Protocol):
    """Values that tools keep for a session, by name. They are there in every process, and end with it."""

    async def names(self, prefix: str = "") -> list[str]:
        """The names that begin so, in no order."""

    async def get(self, name: str) -> bytes | None: ...

    async def set(self, name: str, value: bytes, *, most: int | None = None, prefix: str = "") -> bool:
        """Keep a value. Returns whether it is a new one.

        Args:
            name: Its name, which is not empty.
            value: The value.
            most: How many values there may be.
            prefix: How the names of those begin that are counted.

        Raises:
            TooMuchData: There are as many already, or all together are more than `MCP_SESSION_DATA_BYTES`.
        """

    async def delete(self, name: str) -> bool:
        """Forget a value. Returns whether there was one."""


class SessionFacts(Protocol):
    """What is known of a session."""

    @property
    def id(self) -> str: ...

    @property
    def subscriptions(self) -> Collection[str]: ...


class SessionState(Protocol):
    """What the session layer offers to a handler."""

    @property
    def record(self) -> SessionFacts: ...

    @property
    def data(self) -> SessionValues: ...

    async def set_log_level(self, level: LoggingLevel) -> None: ...

    async def subscribe(self, uri: str) -> None: ...

    async def unsubscribe(self, uri: str) -> None: ...


def find_session(ctx: Context) -> SessionState | None:
    """The session of this request, if there is one: at 2026-07-28 there never is."""
    # A request of the SDK's own HTTP transport is Starlette's, whose `session` means cookies.
    return None if isinstance(ctx.request, HTTPConnection) else getattr(ctx.request, "session", None)


def session_state(ctx: Context) -> SessionState:
    """The session of this request; where there is none, a clean error."""
    state = find_session(ctx)
    if state is None:
        raise MCPError(INVALID_REQUEST, f"{ctx.method} needs a session, and this connection has none")
    return state


async def set_level(ctx: Context, params: SetLevelRequestParams) -> EmptyResult:
    """logging/setLevel."""
    await session_state(ctx).set_log_level(params.level)
    return EmptyResult()


def subscriber(exists: Exists) -> Handler:
    """resources/subscribe. The reference also samples the client here and waits for it; this does not."""

    async def subscribe(ctx: Context, params: SubscribeRequestParams) -> EmptyResult:
        if not 1 <= len(params.uri) <= LONGEST_URI:
            raise MCPError(INVALID_PARAMS, f"A URI has 1 to {LONGEST_URI} characters")
        state = session_state(ctx)
        if not await exists(ctx, params.uri):
            raise MCPError(RESOURCE_NOT_FOUND, f"Unknown resource: {params.uri}", {"uri": params.uri})
        await state.subscribe(params.uri)
        return EmptyResult()

    return subscribe


async def unsubscribe(ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
    """resources/unsubscribe."""
    await session_state(ctx).unsubscribe(params.uri)
    return EmptyResult()


def register(app: Server[Any], exists: Exists) -> None:
    """Serve the three methods. `exists` says of a URI whether the requester can read it."""
    app.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
    app.add_request_handler("resources/subscribe", SubscribeRequestParams, subscriber(exists))
    app.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)
