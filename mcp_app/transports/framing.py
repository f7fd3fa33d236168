"""How messages look on the wire: JSON responses and Server-Sent Events."""

from __future__ import annotations

import re
from typing import Any

import pydantic_core

_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF_PAIR = re.compile(rb"%(high)s(?!%(low)s)|%(low)s(?<!%(high)s%(low)s)" % {b"high": _HIGH, b"low": _LOW})
"""Half of a surrogate pair, escaped, without the other half."""

_REPLACEMENT = rb"\ufffd"


class HalfId(ValueError):
    """The id of a message has half of a surrogate pair, and cannot be repeated in the answer."""


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

    Half of a surrogate pair, as `"\\ud83d"`, is JSON (RFC 8259 §8.2) but no text that could be passed on, in
    UTF-8 or to a database. It is read as U+FFFD, which is also what the `TextEncoder` of a JavaScript client
    makes of it: a message that was cut in the middle of an emoji is no reason to refuse the call.

    Raises:
        HalfId: A JSON-RPC id has half of a pair: its answer would find nobody.
        ValueError: It is not JSON.
    """
    try:
        return pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError:
        # An escaped backslash would hide what follows it, or seem to begin an escape.
        readable = _HALF_PAIR.sub(rb"\\ufffd", body.replace(b"\\\\", b"\\u005c"))
        if _REPLACEMENT not in readable:
            raise
    decoded = pydantic_core.from_json(readable, allow_inf_nan=False)
    for message in decoded if isinstance(decoded, list) else [decoded]:
        if isinstance(message, dict) and "\ufffd" in str(message.get("id")):
            raise HalfId
    return decoded


def has_more_values(body: bytes, decoded: Any, limit: int) -> bool:
    """Whether JSON has more values than a limit, its arrays and objects and all that is in them.

    Args:
        body: The JSON.
        decoded: What it was read as.
        limit: How many values there may be.
    """
    # Each value follows a comma or opens what holds it. Text has commas, too, so this finds too many at most.
    if body.count(b",") + body.count(b"[") + body.count(b"{") < limit:
        return False
    found, unread = 1, [decoded]
    while unread and found <= limit:
        value = unread.pop()
        if isinstance(value, dict):
            found += len(value)
            unread += value.values()
        elif isinstance(value, list):
            found += len(value)
            unread += value
    return found > limit


def event(event_id: str, data: str) -> bytes:
    """One message event. `data` is a message as JSON."""
    return named_event("message", event_id, data)


def named_event(name: str, event_id: str, data: str) -> bytes:
    """One event of any name. `data` has no line break of its own, other than in the strings of JSON."""
    return f"event: {name}\nid: {event_id}\ndata: {on_one_line(data)}\n\n".encode()


def on_one_line(data: str) -> str:
    """JSON in which no reader finds a line end: those that JSON need not escape are escaped, too.

    An event stream has lines that end at CR and LF alone (HTML, "Parsing an event stream"), which JSON always
    escapes. But clients split it by Python's `str.splitlines` (python-sdk 1356) or by `\\R`, which end a line
    at U+0085, U+2028 and U+2029 as well; what follows is lost to them, and their call waits for ever.
    """
    if data.isascii():
        return data
    return data.replace("\x85", "\\u0085").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def priming(event_id: str, retry_milliseconds: int) -> bytes:
    """The event without data with which a 2025-11-25 stream begins: a place to resume from."""
    return f"id: {event_id}\nretry: {retry_milliseconds}\ndata: \n\n".encode()


def retry(milliseconds: int) -> bytes:
    """When to come back after the stream has ended."""
    return f"retry: {milliseconds}\n\n".encode()


def event_without_id(data: bytes) -> bytes:
    """One message event of a stream that cannot be resumed. `data` is a message as JSON."""
    return f"event: message\ndata: {on_one_line(data.decode())}\n\n".encode()
