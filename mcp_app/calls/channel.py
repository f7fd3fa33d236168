"""The messages of a session that belong to no call, and what becomes of messages during an outage."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import Any

from mcp_app.calls.client_requests import ClientRequests
from mcp_app.exceptions import Unavailable
from mcp_app.protocol.messages import notification
from mcp_app.sdk import CallOptions
from mcp_app.sessions.event_log import EventLog
from mcp_app.sessions.events import PENDING
from mcp_app.sessions.store import RequestSession

logger = logging.getLogger(__name__)


async def unless_unavailable(sending: Awaitable[None]) -> None:
    """Send a notification. An outage does not fail the handler, which may already have had effects."""
    try:
        await sending
    except Unavailable as error:
        logger.warning("notification lost: Redis unavailable", extra={"reason": str(error)})


class SessionChannel:
    """The session's channel for messages that belong to no call; they go to a GET stream.

    Satisfies the SDK's `mcp.shared.dispatcher.Outbound`, as the `outbound` of a `Connection`.
    """

    __slots__ = ("_client_requests", "_log", "_session")

    def __init__(self, log: EventLog, client_requests: ClientRequests, session: RequestSession) -> None:
        self._log = log
        self._client_requests = client_requests
        self._session = session

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        return await self._client_requests.ask(
            self._session.record, self._emit, method, params, (opts or {}).get("timeout")
        )

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        if self._session.record.allows(method, params or {}):
            await unless_unavailable(self._emit(notification(method, params)))

    async def _emit(self, message: dict[str, Any]) -> None:
        await self._log.append(self._session.record.id, PENDING, message)
