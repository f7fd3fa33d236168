"""Names of event streams, and ids of their events.

An event's id names its stream and its position, so that any process can replay what followed it
(Streamable HTTP, Resumability and Redelivery).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from django.conf import settings
from django.utils.crypto import salted_hmac

PENDING = "pending"
"""The name under which messages that belong to no call wait for an open GET stream."""

START = "0-0"
"""The position before the first event."""

END = "9" * 18 + "-0"
"""A position after every event: a client that has it has read all of a stream."""

HTTP_SSE_REPLY = "s"
"""How the names of `new_http_sse_reply_stream` begin."""

_REPLY = "r"
_STANDALONE = "g"

_EVENT_ID = re.compile(r"(?P<stream>[rg][0-9a-f]{16})_(?P<position>[0-9]{1,18}-[0-9]{1,18})")
"""Limits the digits: Redis rejects longer ids."""


def shown(stream: str) -> str:
    """The part of a stream's name that may be shown: enough to tell streams of a session apart."""
    return stream[-6:]


def new_reply_stream() -> str:
    """A name for the stream that answers one call."""
    return _REPLY + secrets.token_hex(8)


def new_http_sse_reply_stream() -> str:
    """A name for the stream of one call on its session's only connection (HTTP+SSE)."""
    return HTTP_SSE_REPLY + secrets.token_hex(8)


def is_http_sse_reply(stream: str) -> bool:
    """Whether a name is one of `new_http_sse_reply_stream`."""
    return stream.startswith(HTTP_SSE_REPLY)


def new_standalone_stream(session_id: str) -> str:
    """A name for a GET stream, which any process can recognize as one of this session.

    A client may resume a stream without events, of which nothing is stored; hence the signature.
    """
    nonce = secrets.token_hex(4)
    return f"{_STANDALONE}{nonce}{_seal(session_id, nonce, settings.SECRET_KEY)}"


def is_standalone_of(session_id: str, stream: str) -> bool:
    """Whether a name is that of a GET stream of this session."""
    nonce, seal = stream[1:9], stream[9:]
    secrets_in_use = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return is_standalone(stream) and any(_seal(session_id, nonce, key) == seal for key in secrets_in_use)


def _seal(session_id: str, nonce: str, secret: str) -> str:
    # SHA-1 was the default before Django 2028, and clients have ids of streams that earlier releases named.
    seal = salted_hmac("mcp.standalone-stream", f"{session_id}/{nonce}", secret=secret, algorithm="sha1")
    return seal.hexdigest()[:8]


def is_standalone(stream: str) -> bool:
    return stream.startswith(_STANDALONE)


@dataclass(frozen=True)
class Event:
    """One message on one stream; `final` if it is the response to the call."""

    stream: str
    position: str
    data: str
    final: bool

    @property
    def id(self) -> str:
        return event_id(self.stream, self.position)


def event_id(stream: str, position: str) -> str:
    """The SSE event id of a position in a stream."""
    return f"{stream}_{position}"


def order(position: str) -> tuple[int, int]:
    """A sort key for positions."""
    milliseconds, number = position.split("-")
    return int(milliseconds), int(number)


def parse_event_id(text: str) -> tuple[str, str] | None:
    """The (stream, position) of an event id; None if it is not a valid one."""
    match = _EVENT_ID.fullmatch(text)
    return (match["stream"], match["position"]) if match else None
