"""What a WebSocket is answered: nothing here speaks it."""

from __future__ import annotations

from typing import Any


async def refuse_websocket(scope: Any, receive: Any, send: Any) -> None:
    """Close it before it is open, which servers answer with 403 (ASGI, WebSocket close)."""
    await send({"type": "websocket.close"})
