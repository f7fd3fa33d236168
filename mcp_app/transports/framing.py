"""How messages look on the wire: JSON responses and Server-Sent Events."""

from __future__ import annotations

from typing import Any

import pydantic_core

KEEP_ALIVE = b": keep-alive\n\n"

STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # Proxies must neither buffer nor compress what has to arrive at once.
    (b"cache-control", b"no-cache, no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
)


def to_json(message: Any) -> bytes:
    """A JSON-RPC message as it is sent."""
    return pydantic_core.to_json(message)


def from_json(body: bytes) -> Any:
    """Parse a body.

    Raises:
        ValueError: It is not JSON.
    """
    return pydantic_core.from_json(body, allow_inf_nan=False)


def event(event_id: str, data: str) -> bytes:
    """One message event. `data` is JSON on one line, so it needs no splitting."""
    return named_event("message", event_id, data)


def named_event(name: str, event_id: str, data: str) -> bytes:
    """One event of any name; `data` has no line break."""
    return f"event: {name}\nid: {event_id}\ndata: {data}\n\n".encode()


def priming(event_id: str, retry_milliseconds: int) -> bytes:
    """The event without data with which a 2025-11-25 stream begins: a place to resume from."""
    return f"id: {event_id}\nretry: {retry_milliseconds}\ndata: \n\n".encode()


def retry(milliseconds: int) -> bytes:
    """When to come back after the stream has ended."""
    return f"retry: {milliseconds}\n\n".encode()


def event_without_id(data: bytes) -> bytes:
    """One message event of a stream that cannot be resumed. `data` is JSON on one line."""
    return b"event: message\ndata: " + data + b"\n\n"
