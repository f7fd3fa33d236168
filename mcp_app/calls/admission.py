"""Admission: whether messages are accepted, decided before any of them runs.

A token that lacks a scope must be rejected with 403 and a challenge (RFC 6750 §3.1), so before the response
starts. The tool itself could only return an error inside a 200, which makes no client request more scopes.
"""

from __future__ import annotations

from collections.abc import Sequence

from mcp_types import JSONRPCRequest

from mcp_app.access import ToolScopes
from mcp_app.auth.scopes import covers
from mcp_app.auth.tokens import Principal
from mcp_app.calls.running import RunningCalls
from mcp_app.conf import conf
from mcp_app.protocol.messages import Message
from mcp_app.sessions.record import SessionRecord


class InsufficientScope(Exception):
    """The token lacks a scope.

    Args:
        held: The scopes of the token.
        needed: All scopes that the request needs.
    """

    def __init__(self, held: Sequence[str], needed: Sequence[str]) -> None:
        super().__init__("insufficient scope")
        self.held = held
        self.needed = needed


class TooManyCalls(Exception):
    """The session has the maximum number of calls running in this process."""


class Admission:
    """Admits requests to this process."""

    def __init__(self, scopes: ToolScopes, calls: RunningCalls) -> None:
        self._scopes = scopes
        self._calls = calls

    async def admit(
        self, principal: Principal, messages: Sequence[Message], record: SessionRecord | None = None
    ) -> None:
        """Admit the messages of a POST, all or none. Start them without awaiting anything in between.

        Args:
            principal: Who sent them.
            messages: One, or those of a batch.
            record: Their session, if they have one.

        Raises:
            InsufficientScope: The token lacks a scope for one of them.
            TooManyCalls: The session would have more than `MCP_MAX_CALLS` running here.
        """
        calls = 0
        for message in messages:
            if isinstance(message, JSONRPCRequest):
                more = await self._scopes.needed(message.method, message.params)
                if more and not covers(principal.scopes, more):
                    raise InsufficientScope(principal.scopes, (*conf.required_scopes, *more))
                calls += message.method != "initialize"
        if record is not None and calls and self._calls.count(record.id) + calls > conf.max_calls:
            raise TooManyCalls
