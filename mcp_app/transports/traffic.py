"""Counting the bytes of requests and responses for the rate of their person."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from mcp_app.coordination.quotas import Quotas
from mcp_app.transports.request import Request


def charge_bytes(request: Request, quotas: Quotas) -> None:
    """Charge the person of a request for its body, as it is read, and for the response, as it is sent."""
    receive, send, person = request.receive, request.send, request.principal.person_key

    async def receive_charged() -> MutableMapping[str, Any]:
        message = await receive()
        quotas.charge(person, len(message.get("body", b"")))
        return message

    async def send_charged(message: MutableMapping[str, Any]) -> None:
        quotas.charge(person, len(message.get("body", b"")))
        await send(message)

    request.receive, request.send = receive_charged, send_charged
