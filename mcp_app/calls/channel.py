"""How handlers send messages to the client of a session, and what becomes of those in an outage."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST

from mcp_app.calls.client_requests import ClientRequests
from mcp_app.exceptions import Unavailable
from mcp_app.protocol.messages import notification, to_json
from mcp_app.sdk import CallOptions
from mcp_app.sessions.event_log import EventLog
from mcp_app.sessions.events import PENDING
from mcp_app.sessions.held import TooMuchHeld
from mcp_app.sessions.store import RequestSession

logger = logging.getLogger(__name__)


class SessionOutbound:
    """Sends messages to the client of a session; subclasses decide on which stream.

    Satisfies the SDK's `mcp.shared.dispatcher.Outbound`.
    """

    __slots__ = ()

    session: RequestSession
    _client_requests: ClientRequests

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Send a request to the client, and wait for its result."""
        return await self._client_requests.ask(
            self.session.record, self._emit, method, params, (opts or {}).get("timeout")
        )

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        """Send a notification. An outage does not fail the handler, which may already have had effects."""
        if self.session.record.allows(method, params or {}):
            try:
                await self._emit(notification(method, params))
            except Unavailable as error:
                logger.warning("notification lost: Redis unavailable", extra={"reason": str(error)})

    async def _emit(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            MCPError: The sessions of the person hold too much already.
        """
        encoded = to_json(message)
        try:
            async with self.session.reserve(len(encoded)):
                await self._append(encoded)
        except TooMuchHeld as error:
            raise MCPError(INVALID_REQUEST, str(error), error.data) from error

    async def _append(self, message: bytes) -> None:
        raise NotImplementedError


class SessionChannel(SessionOutbound):
    """Sends messages that belong to no call; they go to a GET stream. The `outbound` of a `Connection`."""

    __slots__ = ("_client_requests", "_log", "session")

    def __init__(self, log: EventLog, client_requests: ClientRequests, session: RequestSession) -> None:
        self._log = log
        self._client_requests = client_requests
        self.session = session

    async def _append(self, message: bytes) -> None:
        await self._log.append(self.session.record.id, PENDING, message)
