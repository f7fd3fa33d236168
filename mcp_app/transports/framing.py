"""Wire format of messages: JSON responses and Server-Sent Events."""

from __future__ import annotations

KEEP_ALIVE = b": keep-alive\n\n"

STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # Proxies must neither buffer nor compress what has to arrive at once.
    (b"cache-control", b"no-cache, no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
)


def event(event_id: str, data: str) -> bytes:
    """One message event. `data` is a message as JSON."""
    return named_event("message", event_id, data)


def named_event(name: str, event_id: str, data: str) -> bytes:
    """One event of any type. `data` must not have line breaks, except within JSON strings."""
    return f"event: {name}\nid: {event_id}\ndata: {on_one_line(data)}\n\n".encode()


def on_one_line(data: str) -> str:
    """Escape also the line separators that JSON does not require to be escaped.

    Lines of an event stream end at CR and LF only (HTML, "Parsing an event stream"), which JSON always
    escapes. But clients split it by Python's `str.splitlines` (python-sdk 1356) or by `\\R`, which also split
    at U+0085, U+2028 and U+2029; they lose the rest of the message, and their call waits for ever.
    """
    if data.isascii():
        return data
    return data.replace("\x85", "\\u0085").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def priming(event_id: str, retry_milliseconds: int) -> bytes:
    """The priming event of a 2025-11-25 stream: no data, but a position to resume from."""
    return f"id: {event_id}\nretry: {retry_milliseconds}\ndata: \n\n".encode()


def retry(milliseconds: int) -> bytes:
    """When to reconnect after the stream has ended."""
    return f"retry: {milliseconds}\n\n".encode()


def event_without_id(data: bytes) -> bytes:
    """One message event of a stream that cannot be resumed. `data` is a message as JSON."""
    return f"event: message\ndata: {on_one_line(data.decode())}\n\n".encode()
