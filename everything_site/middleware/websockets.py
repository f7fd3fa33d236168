"""Rejects WebSocket connections, which nothing here uses."""

from __future__ import annotations

from typing import Any


async def refuse_websocket(scope: Any, receive: Any, send: Any) -> None:
    """Close before accepting, which servers turn into a 403 (ASGI, WebSocket close)."""
    await send({"type": "websocket.close"})
