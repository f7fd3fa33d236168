"""What the calls of a process share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mcp.server import Server

from mcp_app.calls.channel import SessionChannel
from mcp_app.calls.client_requests import ClientRequests
from mcp_app.calls.registry import CallRegistry
from mcp_app.coordination.quotas import Quotas
from mcp_app.observers import Observers
from mcp_app.sdk import Connection
from mcp_app.sessions.store import RequestSession, SessionStore
from mcp_app.sessions.streams import Streams


@dataclass(frozen=True)
class Backend:
    """What the calls of a process share.

    Attributes:
        server: The low-level server with the handlers.
        lifespan_state: The value that the server's lifespan yielded.
    """

    server: Server[Any]
    lifespan_state: Any
    sessions: SessionStore
    streams: Streams
    registry: CallRegistry
    client_requests: ClientRequests
    observers: Observers
    quotas: Quotas

    def connection(self, session: RequestSession) -> Connection:
        """The SDK's connection, rebuilt from the record of a session."""
        record = session.record
        connection = Connection(
            SessionChannel(self.streams.log, self.client_requests, session),
            protocol_version=record.protocol_version,
            session_id=record.id,
            client_params=record.client_params,
        )
        if record.client_params is not None:
            connection.initialized.set()
        return connection
