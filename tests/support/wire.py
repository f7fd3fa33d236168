"""JSON-RPC messages, for tests without a client library."""

from __future__ import annotations

import json
from typing import Any

import httpx2

JSON_OR_STREAM = {"Accept": "application/json, text/event-stream"}

INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "wire", "version": "1"},
    },
}

ECHO: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "echo", "arguments": {"message": "hello"}},
}


def answer_of(response: httpx2.Response) -> dict[str, Any]:
    """The answer to a request, whether it came as JSON or, as one that takes long, on an event stream.

    Raises:
        httpx2.RemoteProtocolError: The stream broke off.
    """
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        answer: dict[str, Any] = response.json()
        return answer
    sent = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    answers: list[dict[str, Any]] = [message for message in map(json.loads, sent) if "method" not in message]
    if not answers:
        raise httpx2.RemoteProtocolError("the stream broke off")
    return answers[-1]
