"""Handlers for the state of a session: its log level and its resource subscriptions.

These methods exist up to 2025-11-25 only; at 2026-07-28 a request has its own log level, and
`subscriptions/listen` replaces subscriptions. The handlers find the session at `ctx.request.session`.
`MCPServer` has no decorators for these methods, so they are registered on the low-level server.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

from mcp.server import Server
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

from mcp_app.protocol.context import RequestContext
from mcp_app.protocol.error_codes import RESOURCE_NOT_FOUND

MAX_URI_LENGTH = 2048
"""The maximum length of a subscribed URI; the session store limits their number."""

MAX_URI_BYTES = 256 * 1024
"""The maximum length of all subscribed URIs of a session or listen stream."""

Exists = Callable[[RequestContext, str], Awaitable[bool]]


class TooMuchData(Exception):
    """A limit of the data of a session or a person is reached. The message says which."""


class StoredValues(Protocol):
    """Values that tools store for a session or a person, by name: the same in every process.

    `get` and `set` are two steps, between which other calls run, in any process: of concurrent calls that
    read a value and store a changed one, some changes are lost. Let each call store a value of its own, under
    a name that no other uses, and count them with `names`.
    """

    async def names(self, prefix: str = "") -> list[str]:
        """The names with this prefix, unordered."""

    async def get(self, name: str) -> bytes | None:
        """A value; None if there is none of this name."""

    async def set(self, name: str, value: bytes, *, most: int | None = None, prefix: str = "") -> bool:
        """Store a value. Returns whether the name is new.

        Args:
            name: Its name, which is not empty.
            value: The value.
            most: The maximum number of values with this prefix.
            prefix: Which names count towards `most`.

        Raises:
            TooMuchData: There are `most` already, or the total would exceed `MCP_SESSION_DATA_BYTES` or
                `MCP_PERSON_DATA_BYTES`.
        """

    async def delete(self, name: str) -> bool:
        """Delete a value. Returns whether it existed."""


class SessionSummary(Protocol):
    """Read-only facts of a session."""

    @property
    def id(self) -> str: ...

    @property
    def subscriptions(self) -> Collection[str]: ...


class SessionState(Protocol):
    """The session, as handlers use it."""

    @property
    def record(self) -> SessionSummary:
        """Its id, and the URIs that it is subscribed to."""

    @property
    def data(self) -> StoredValues:
        """Values kept for the session, up to `MCP_SESSION_DATA_BYTES`; they end with it."""

    async def set_log_level(self, level: LoggingLevel) -> None:
        """What `logging/setLevel` does."""

    async def subscribe(self, uri: str) -> None:
        """What `resources/subscribe` does, without looking whether the resource exists."""

    async def unsubscribe(self, uri: str) -> None:
        """What `resources/unsubscribe` does."""


def find_session(ctx: RequestContext) -> SessionState | None:
    """The session of this request; always None at 2026-07-28."""
    # Requests of the SDK's HTTP transport are Starlette's, whose `session` is about cookies.
    return None if isinstance(ctx.request, HTTPConnection) else getattr(ctx.request, "session", None)


def session_state(ctx: RequestContext) -> SessionState:
    """The session of this request; raises an MCPError if there is none."""
    state = find_session(ctx)
    if state is None:
        raise MCPError(INVALID_REQUEST, f"{ctx.method} requires a session, and this connection has none")
    return state


def register(app: Server[Any], exists: Exists) -> None:
    """Serve the three methods. `exists` returns whether the person can read a URI.

    Unlike the reference server's, this `resources/subscribe` does not also send a sampling request.
    """

    def check_length(uri: str) -> None:
        if not 1 <= len(uri) <= MAX_URI_LENGTH:
            raise MCPError(INVALID_PARAMS, f"A URI must have 1 to {MAX_URI_LENGTH} characters")

    async def set_level(ctx: RequestContext, params: SetLevelRequestParams) -> EmptyResult:
        await session_state(ctx).set_log_level(params.level)
        return EmptyResult()

    async def subscribe(ctx: RequestContext, params: SubscribeRequestParams) -> EmptyResult:
        check_length(params.uri)
        state = session_state(ctx)
        if not await exists(ctx, params.uri):
            raise MCPError(RESOURCE_NOT_FOUND, f"Unknown resource: {params.uri}", {"uri": params.uri})
        await state.subscribe(params.uri)
        return EmptyResult()

    async def unsubscribe(ctx: RequestContext, params: UnsubscribeRequestParams) -> EmptyResult:
        check_length(params.uri)
        await session_state(ctx).unsubscribe(params.uri)
        return EmptyResult()

    app.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
    app.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    app.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)
