"""The session record: what any process needs to serve the next request of a session."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from mcp_types import InitializeRequestParams, LoggingLevel
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mcp_app.conf import conf
from mcp_app.recent import Recent
from mcp_app.sessions import keys
from mcp_app.sessions.mailbox import Mailbox
from mcp_app.sessions.peers import Peers

_SUBSCRIPTION = "subscription:"
"""Prefix of the hash fields that hold subscriptions, one each, so that two processes can add at once."""

_SEVERITY: tuple[LoggingLevel, ...] = get_args(LoggingLevel)
"""The levels of RFC 5424, the least severe first."""

# Changes a record that is still there: one that has ended must not come back, without an expiry.
# KEYS: record. ARGV: field, value, ...
_SET = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], unpack(ARGV)) end
"""

_PRIMING_SINCE = "2025-11-25"
"""The first revision whose streams begin with an event id (SEP-1699). Revisions compare as dates."""

CHANGED = "session.changed"
ENDED = "session.ended"


@dataclass(frozen=True)
class SessionRecord:
    """One session, as it was when it was read."""

    id: str
    owner: str
    created_at: float
    protocol_version: str = LATEST_HANDSHAKE_VERSION
    client_params: InitializeRequestParams | None = None
    """What the client said in `initialize`; None in an HTTP+SSE session that still waits for it."""
    user: str = ""
    client: str = ""
    log_level: LoggingLevel | None = None
    subscriptions: frozenset[str] = frozenset()

    @property
    def has_priming(self) -> bool:
        """Whether its streams begin with an event id, a place to resume from (SEP-1699)."""
        return self.protocol_version >= _PRIMING_SINCE

    def lifetime(self, now: float) -> int:
        """Seconds that the session may still live without another request; none are left at its full age."""
        remaining = self.created_at + conf.session_max_seconds - now
        return max(0, min(conf.session_idle_seconds, int(remaining)))

    def admits(self, notification: tuple[str, Mapping[str, Any]]) -> bool:
        """Whether a notification (method, params) may be sent: log messages only from the set level up."""
        method, params = notification
        if method != "notifications/message" or self.log_level is None:
            return True
        return _SEVERITY.index(params["level"]) >= _SEVERITY.index(self.log_level)

    def to_fields(self) -> dict[str, str]:
        fields = {
            "owner": self.owner,
            "created_at": repr(self.created_at),
            "protocol_version": self.protocol_version,
            "user": self.user,
            "client": self.client,
        }
        if self.client_params is not None:
            fields["client_params"] = self.client_params.model_dump_json(by_alias=True, exclude_none=True)
        return fields

    @classmethod
    def from_fields(cls, session_id: str, fields: dict[str, str]) -> SessionRecord:
        return cls(
            id=session_id,
            owner=fields["owner"],
            created_at=float(fields["created_at"]),
            protocol_version=fields["protocol_version"],
            client_params=(
                InitializeRequestParams.model_validate_json(fields["client_params"])
                if "client_params" in fields
                else None
            ),
            user=fields.get("user", ""),
            client=fields.get("client", ""),
            log_level=cast("LoggingLevel | None", fields.get("log_level")),
            subscriptions=frozenset(
                field.removeprefix(_SUBSCRIPTION) for field in fields if field.startswith(_SUBSCRIPTION)
            ),
        )


def subscription_field(uri: str) -> str:
    """The field of the record that says that its session subscribed to a resource."""
    return _SUBSCRIPTION + uri


class TooManySubscriptions(Exception):
    """The session has as many subscriptions as it may have."""


class SessionStore:
    """Reads and writes session records; remembers the ones it read for a few seconds.

    Every change is announced to all processes, which then forget their copy.
    """

    def __init__(self, redis: Redis, mailbox: Mailbox, peers: Peers) -> None:
        self._redis = redis
        self._mailbox = mailbox
        self._peers = peers
        self._copies: Recent[SessionRecord] = Recent()
        self._set = redis.register_script(_SET)
        mailbox.on(CHANGED, lambda message: self.forget(message["session"]))
        mailbox.on(ENDED, lambda message: self.forget(message["session"]))

    @staticmethod
    def new_id() -> str:
        """A session id that cannot be guessed, of visible ASCII (Streamable HTTP, Session Management)."""
        return secrets.token_hex(24)

    async def create(self, record: SessionRecord) -> None:
        """Store a session as it begins. It is on record before the client hears of it."""
        lifetime = max(1, record.lifetime(time.time()))
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.record(record.id), mapping=cast(Any, record.to_fields()))
            pipe.expire(keys.record(record.id), lifetime)
            pipe.set(keys.owner(record.id), record.owner, ex=lifetime)
            await pipe.execute()
        self._copies.put(record.id, record)

    async def complete(self, record: SessionRecord) -> None:
        """Add what the client says in `initialize` to a session that began without it, and still lives."""
        await self._change(record.id, record.to_fields())

    async def get(self, session_id: str) -> SessionRecord | None:
        """The session, from this process's copy if it is fresh; None when there is no such session.

        Reading it from Redis counts as use and renews its lifetime.
        """
        return self._copies.get(session_id) or await self.renew(session_id)

    async def renew(self, session_id: str) -> SessionRecord | None:
        """The session as Redis has it, with its lifetime renewed; None when there is no such session."""
        return await self._copies.read(session_id, lambda: self._read(session_id))

    async def _read(self, session_id: str) -> SessionRecord | None:
        async with self._redis.pipeline(transaction=False) as pipe:  # one round trip for a session in use
            pipe.hgetall(keys.record(session_id))
            for key in keys.renewed_by_use(session_id):
                pipe.expire(key, conf.session_idle_seconds)
            fields, *_ = await pipe.execute()
        if not fields:
            return None
        record = SessionRecord.from_fields(session_id, fields)
        lifetime = record.lifetime(time.time())
        if not lifetime:
            await self.end(session_id)
            return None
        if lifetime < conf.session_idle_seconds:
            await self._expire_in(session_id, lifetime)
        return record

    async def set_log_level(self, session_id: str, level: LoggingLevel) -> None:
        await self._change(session_id, {"log_level": level})

    async def subscribe(self, record: SessionRecord, uri: str) -> None:
        """Add a subscription.

        Raises:
            TooManySubscriptions: The session has `MCP_MAX_SUBSCRIPTIONS` already.
        """
        if uri not in record.subscriptions and len(record.subscriptions) >= conf.max_subscriptions:
            raise TooManySubscriptions
        await self._change(record.id, {subscription_field(uri): "1"})

    async def unsubscribe(self, session_id: str, uri: str) -> None:
        await cast(Any, self._redis.hdel(keys.record(session_id), subscription_field(uri)))
        await self.announce(CHANGED, session_id)

    async def end(self, session_id: str) -> None:
        """Forget the session everywhere: its keys are deleted, its calls and streams end in all processes."""
        await self._redis.delete(*keys.of_session(session_id))
        await self.announce(ENDED, session_id)

    def forget(self, session_id: str) -> None:
        """Drop this process's copy, and any copy that is being read right now."""
        self._copies.forget(session_id)

    async def _expire_in(self, session_id: str, seconds: int) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in keys.renewed_by_use(session_id):
                pipe.expire(key, seconds)
            await pipe.execute()

    async def _change(self, session_id: str, fields: dict[str, str]) -> None:
        given = [part for field in fields.items() for part in field]
        await self._set(keys=[keys.record(session_id)], args=given)
        await self.announce(CHANGED, session_id)

    async def announce(self, event: str, session_id: str) -> None:
        """Make every process forget its copy of a session that has changed or ended.

        Returns when they have, so that whoever made the change finds it in force everywhere.
        """
        self.forget(session_id)
        try:
            others = await self._peers.addresses()
        except (RedisError, OSError):
            others = []
        await self._mailbox.broadcast_and_confirm({"type": event, "session": session_id}, others)


class LiveSession:
    """The session of one request, as the server's handlers see it: what they may change of it."""

    def __init__(self, store: SessionStore, record: SessionRecord) -> None:
        self._store = store
        self.record = record

    async def set_log_level(self, level: LoggingLevel) -> None:
        await self._store.set_log_level(self.record.id, level)
        self.record = replace(self.record, log_level=level)

    async def subscribe(self, uri: str) -> None:
        await self._store.subscribe(self.record, uri)

    async def unsubscribe(self, uri: str) -> None:
        await self._store.unsubscribe(self.record.id, uri)
