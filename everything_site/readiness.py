"""Readiness of a server that needs its database and nothing else."""

from __future__ import annotations

from channels.db import database_sync_to_async
from django.db import DatabaseError, connection

from mcp_app.transports import http


class DatabaseReady:
    """Answers 200 when the database answers, else 503; needs no token, and looks at no Host header."""

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        try:
            await database_sync_to_async(_ask)()
        except DatabaseError:
            await http.respond_json(send, 503, {"status": "not ready", "reason": "database"})
            return
        await http.respond_json(send, 200, {"status": "ready"})


def _ask() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
