"""Whether messages may be taken: decided before anything of them runs.

A token that lacks a scope must be refused with an HTTP status and a challenge (403, RFC 6750 §3.1), so
before anything of a response is sent. The tool itself could only answer with an error inside a 200, on
which no client steps up.
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
        needed: All that the request needs.
    """

    def __init__(self, held: Sequence[str], needed: Sequence[str]) -> None:
        super().__init__("insufficient scope")
        self.held = held
        self.needed = needed


class TooManyCalls(Exception):
    """The session has as many calls running in this process as it may have."""


class Admission:
    """Admits requests to this process."""

    def __init__(self, scopes: ToolScopes, calls: RunningCalls) -> None:
        self._scopes = scopes
        self._calls = calls

    async def admit(
        self, principal: Principal, messages: Sequence[Message], record: SessionRecord | None = None
    ) -> None:
        """Admit the messages of a POST, all of them or none. Start what was admitted at once.

        Args:
            principal: Who sent them.
            messages: One, or those of a batch.
            record: Their session, if they have one.

        Raises:
            InsufficientScope: The token may not do what one of them asks for.
            TooManyCalls: The session would have more than `MCP_MAX_CALLS` running here.
        """
        requests = [message for message in messages if isinstance(message, JSONRPCRequest)]
        for request in requests:
            more = await self._scopes.needed(request.method, request.params)
            if more and not covers(principal.scopes, more):
                raise InsufficientScope(principal.scopes, (*conf.required_scopes, *more))
        if record is not None and requests:
            calls = [request for request in requests if request.method != "initialize"]
            if self._calls.count(record.id) + len(calls) > conf.max_calls:
                raise TooManyCalls
