"""Admission: whether messages are accepted, decided before any of them runs.

A token that lacks a scope must be rejected with 403 and a challenge (RFC 6750 §3.1), that is, before the
response starts. The tool itself could only return an error inside a 200, which makes no client request more
scopes.
"""

from __future__ import annotations

from collections.abc import Sequence

from mcp_types import JSONRPCRequest

from mcp_app.access import ToolAccess
from mcp_app.auth.tokens import Principal
from mcp_app.coordination.held import HeldBytes
from mcp_app.coordination.limits import CALLS
from mcp_app.coordination.quotas import Quotas
from mcp_app.protocol import listen
from mcp_app.protocol.messages import Message

_UNLIMITED = frozenset({"initialize", "ping"})


def is_limited(method: str) -> bool:
    """Whether requests of a method count towards the limit of concurrent calls."""
    return method not in _UNLIMITED


class Admission:
    """Admits requests to this process."""

    def __init__(self, access: ToolAccess, quotas: Quotas, held: HeldBytes) -> None:
        self._access = access
        self._quotas = quotas
        self._held = held

    async def admit(
        self,
        principal: Principal,
        messages: Sequence[Message],
        *,
        is_past_rate: bool = False,
        in_session: bool = True,
        is_reply_stored: bool = False,
    ) -> None:
        """Admit the messages of a POST, all or none. Start them without awaiting anything in between.

        A message on its own is refused only if it is a request: notifications, answers and cancellations
        mostly end something.

        Args:
            principal: Who sent them.
            messages: One, or those of a batch.
            is_past_rate: Whether the principal has sent too many requests.
            in_session: Whether they are of a session, or open one, whose log stores their messages.
            is_reply_stored: Whether every reply is stored there, including that to a `ping`.

        Raises:
            QuotaExceeded: The person has sent too many requests, would have more than `MCP_MAX_CALLS`
                running, holds `MCP_MAX_HELD_BYTES`, or has too many requests waiting for Redis.
            InsufficientScope: The token lacks a scope for one of them.
        """
        has_requests, calls, is_new = False, 0, False
        more = len(messages) - 1  # than the one that was counted as the HTTP request
        for message in messages:
            if isinstance(message, JSONRPCRequest):
                await self._access.ensure_scopes(principal.scopes, message.method, message.params)
                has_requests = True
                # Without a session, it counts as a stream.
                calls += is_limited(message.method) and (in_session or message.method != listen.METHOD)
                is_new |= message.method == "initialize"
                if message.method == listen.METHOD:
                    more += listen.number_followed(message.params)
        person = principal.person_key
        if is_past_rate and (has_requests or more):
            raise self._quotas.rate_exceeded(person, 1 + more)
        if more and not await self._quotas.count_requests(person, more):
            raise self._quotas.rate_exceeded(person, more)
        if in_session and (calls or is_new or is_reply_stored):
            await self._held.ensure(person)
        if calls:
            await self._quotas.ensure(person, CALLS, calls)
