"""The event log: every message that went onto an event stream of a session, in order.

One Redis Stream a session, capped in length, holds the events of all of the session's event streams.
An event's id names its stream and its place, so that any process can replay what followed it
(Streamable HTTP, Resumability and Redelivery).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any, cast

import pydantic_core
from redis.asyncio import Redis

from mcp_app.conf import conf
from mcp_app.sessions import keys

PENDING = "pending"
"""The stream of messages that belong to no call, until an open GET stream takes them."""

START = "0-0"
"""The place before the first event."""

_PAGE = 50
"""How many entries of a log are read at a time."""

_ONCE_SECONDS = 60
"""How long Redis knows an appending again: longer than it is tried."""

_REPLY = "r"
_LISTENER = "g"
_EVENT_ID = re.compile(r"(?P<stream>[rg][0-9a-f]{16})_(?P<place>[0-9]{1,18}-[0-9]{1,18})")
"""More digits than any place has would be an error to Redis."""

# Moves what is pending onto the stream of the listener, if that listener is the one to get it.
# KEYS: listener, pending, events. ARGV: stream, seconds of the claim, "1" to take over, seconds of the log.
_TAKE = """
local holder = redis.call('GET', KEYS[1])
if not holder or ARGV[3] == '1' then holder = ARGV[1] end
if holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
local pending = redis.call('XRANGE', KEYS[2], '-', '+')
if #pending > 0 then
  for _, entry in ipairs(pending) do
    redis.call('XADD', KEYS[3], '*', 'stream', ARGV[1], 'data', entry[2][4])
  end
  redis.call('DEL', KEYS[2])
  redis.call('EXPIRE', KEYS[3], ARGV[4])
end
return 1
"""

# Appends a message, once: a connection may break after Redis has appended it and before it has said so,
# and then the same is tried again. With a listener's key, only if that listener is the one to hear it.
# KEYS: log, recent appendings, listener or nothing. ARGV: stream, message, this appending, length of the
# log, seconds of the log, seconds for which an appending is remembered.
_APPEND = """
if KEYS[3] and redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
local now = tonumber(redis.call('TIME')[1])
if redis.call('ZADD', KEYS[2], 'NX', now, ARGV[3]) == 1 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[6])
  redis.call('EXPIRE', KEYS[2], ARGV[6])
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'stream', ARGV[1], 'data', ARGV[2])
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
return 1
"""

# Gives the claim up. KEYS: listener. ARGV: stream.
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


def new_reply_stream() -> str:
    """A name for the stream that answers one call."""
    return _REPLY + secrets.token_hex(8)


def new_listener_stream() -> str:
    """A name for a GET stream."""
    return _LISTENER + secrets.token_hex(8)


def is_listener(stream: str) -> bool:
    return stream.startswith(_LISTENER)


@dataclass(frozen=True)
class Event:
    """One message on one stream; `final` when it answers the call and nothing follows."""

    stream: str
    place: str
    data: str
    final: bool = False

    @property
    def id(self) -> str:
        return event_id(self.stream, self.place)


def event_id(stream: str, place: str) -> str:
    """The SSE event id of a place in a stream."""
    return f"{stream}_{place}"


def parse_event_id(text: str) -> tuple[str, str] | None:
    """The (stream, place) that an event id names; None when it is none of ours."""
    match = _EVENT_ID.fullmatch(text)
    return (match["stream"], match["place"]) if match else None


class EventLog:
    """The event logs of all sessions."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = redis.register_script(_TAKE)
        self._append = redis.register_script(_APPEND)
        self._release = redis.register_script(_RELEASE)

    async def append(self, session_id: str, stream: str, message: dict[str, Any]) -> None:
        """Append one message."""
        log = keys.pending(session_id) if stream == PENDING else keys.events(session_id)
        await self._append_once([log, keys.appended(session_id)], stream, message)

    async def read(self, session_id: str, stream: str, after: str) -> list[Event]:
        """The next events of one stream after a place, in order; none when there are no more.

        Never all of a long log at once: messages can be large, and who reads them may be slow.
        """
        events, _ = await self.read_on(session_id, stream, after)
        return events

    async def read_on(self, session_id: str, stream: str, after: str) -> tuple[list[Event], str]:
        """The same with the place up to which the log was looked through: where to read on from."""
        while True:
            entries = await self._entries(session_id, f"({after}", "+", count=_PAGE)
            if entries:
                after = entries[-1][0]
            events = [
                Event(stream, place, fields["data"], "final" in fields)
                for place, fields in entries
                if fields["stream"] == stream
            ]
            if events or len(entries) < _PAGE:
                return events, after

    async def holds(self, session_id: str, stream: str, place: str) -> bool:
        """Whether the log still has this event, so that nothing after it is missing."""
        return any(fields["stream"] == stream for _, fields in await self._entries(session_id, place, place))

    async def take(self, session_id: str, stream: str, *, take_over: bool = False) -> bool:
        """Move what is pending onto a listener's stream; False when another listener gets it.

        The claim lasts for a few keep-alives: a listener that died is succeeded by the next that asks.
        """
        return bool(
            await self._take(
                keys=[keys.listener(session_id), keys.pending(session_id), keys.events(session_id)],
                args=[
                    stream,
                    int(conf.keep_alive_seconds * 3) + 1,
                    int(take_over),
                    conf.session_idle_seconds,
                ],
            )
        )

    async def tell(self, session_id: str, stream: str, message: dict[str, Any]) -> bool:
        """Append a message to a listener's stream; False when another listener is the one to hear it."""
        names = [keys.events(session_id), keys.appended(session_id), keys.listener(session_id)]
        return await self._append_once(names, stream, message)

    async def release(self, session_id: str, stream: str) -> None:
        """Let another listener take what comes next."""
        await self._release(keys=[keys.listener(session_id)], args=[stream])

    async def _append_once(self, names: list[str], stream: str, message: dict[str, Any]) -> bool:
        data = pydantic_core.to_json(message).decode()
        limits = (conf.event_log_length, conf.session_idle_seconds, _ONCE_SECONDS)
        return bool(await self._append(keys=names, args=[stream, data, secrets.token_hex(8), *limits]))

    async def _entries(
        self, session_id: str, low: str, high: str, count: int | None = None
    ) -> list[tuple[str, dict[str, str]]]:
        return cast(
            "list[tuple[str, dict[str, str]]]",
            await self._redis.xrange(keys.events(session_id), min=low, max=high, count=count),
        )
