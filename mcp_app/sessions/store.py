"""The session store: records in Redis, with copies cached in this process."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from functools import partial

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST, LoggingLevel
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.conf import conf
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.cache import ReadThroughCache
from mcp_app.coordination.connection import in_portions
from mcp_app.coordination.directory import copy_seconds
from mcp_app.coordination.held import HeldBytes
from mcp_app.coordination.total import Total
from mcp_app.exceptions import Unreadable
from mcp_app.ids import short_id
from mcp_app.observers import NOBODY, Observers, SessionEnd
from mcp_app.protocol.session_features import MAX_URI_BYTES
from mcp_app.protocol.words import shortened
from mcp_app.sessions import keys
from mcp_app.sessions.data import SessionData
from mcp_app.sessions.held import SESSIONS, TooMuchHeld
from mcp_app.sessions.record import SessionRecord, subscription_field
from mcp_app.sessions.record_scripts import BEFORE_ERASE, CHANGE, CREATE, ERASE, RENEW, SUBSCRIBE, USE
from mcp_app.sessions.session_quota import SessionQuota

logger = logging.getLogger(__name__)

_MAX_ID_LENGTH = 128
"""Longer session ids are rejected without a look-up."""

SESSION_CHANGED = "session.changed"
SESSION_ENDED = "session.ended"


class TooManySubscriptions(MCPError):
    """The session has the maximum number of subscriptions."""

    def __init__(self) -> None:
        super().__init__(
            INVALID_REQUEST,
            f"A session may have {conf.max_subscriptions} subscriptions (MCP_MAX_SUBSCRIPTIONS), and "
            f"{MAX_URI_BYTES} bytes of URIs; unsubscribe from some first",
        )


class SessionNotFound(Exception):
    """The session does not exist, or belongs to somebody else."""


async def erase(redis: Redis, session_id: str) -> tuple[SessionEnd | None, list[str]]:
    """Delete a session's keys, and its entries among its person's sessions and among all.

    Returns:
        What ended, None if it did not exist, and the processes to send `SESSION_ENDED` to.
    """
    names = list(dict.fromkeys([*_holder_keys(session_id), *keys.of_session(session_id)]))
    facts, existed, addresses = await redis.register_script(BEFORE_ERASE)(keys=names)
    last_facts, was_there, others = await redis.register_script(ERASE)(keys=names)
    owner, created_at, revision, user, client = facts if existed else last_facts
    with suppress(Unreadable):  # the entry expires
        await redis.zrem(keys.sessions_of(owner), session_id)
    await Total(redis, keys.all_sessions()).remove(session_id)
    ended = None
    if existed or was_there:
        seconds = max(0.0, time.time() - _number(created_at, time.time()))
        ended = SessionEnd(session_id, shortened(revision), shortened(user), shortened(client), seconds)
    return ended, list({*addresses, *others})


def _number(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise


def _holder_keys(session_id: str) -> list[str]:
    """The record, and the sets of processes with a copy, or with a stream or call."""
    return [keys.record(session_id), keys.copies(session_id), keys.processes(session_id)]


class SessionStore:
    """Reads and writes session records, with a cache of a few seconds.

    Every change is sent to the processes that have a copy, which drop it, and to those that have a stream or
    a call of the session.

    Attributes:
        held: What each person holds in all their sessions.
    """

    def __init__(self, redis: Redis, bus: Bus, observers: Observers = NOBODY) -> None:
        self._redis = redis
        self._bus = bus
        self._observers = observers
        self.held = HeldBytes(redis, SESSIONS)
        self._quota = SessionQuota(redis)
        self._copies: ReadThroughCache[SessionRecord] = ReadThroughCache(SessionRecord.memory)
        self._create = redis.register_script(CREATE)
        self._change = redis.register_script(CHANGE)
        self._subscribe = redis.register_script(SUBSCRIBE)
        self._use = redis.register_script(USE)
        self._renew = redis.register_script(RENEW)
        bus.on(SESSION_CHANGED, lambda message: self.forget(message["session"]))
        bus.on(SESSION_ENDED, lambda message: self.forget(message["session"]))

    @staticmethod
    def new_id() -> str:
        """A session id that cannot be guessed, of visible ASCII (Streamable HTTP, Session Management)."""
        return secrets.token_hex(24)

    @classmethod
    def new(cls, owner: str, user: str, client: str, client_name: str = "") -> SessionRecord:
        """A new session, not stored yet, for an owner (client, issuer and subject).

        Args:
            owner: See `mcp_app.auth.tokens.owner`.
            user: The user's display name, for operators.
            client: The client id.
            client_name: The client's display name, which it chose itself.
        """
        return SessionRecord(
            cls.new_id(), owner, time.time(), user=user, client=client, client_name=client_name
        )

    def data(self, record: SessionRecord) -> SessionData:
        """The values that tools store for a session."""
        return SessionData(self._redis, record.id, partial(self.held.reserve, record.person_key))

    async def create(self, record: SessionRecord) -> None:
        """Store a new session, before the client gets its id.

        Raises:
            TooManySessions: The person has `MCP_MAX_SESSIONS` in use.
        """
        for idle in await self._quota.add(record):
            await self.end(idle)
            logger.info("idle session ended to make room", extra={"session": short_id(idle)})
        lifetime = max(1, record.seconds_left)
        began = time.monotonic()
        await self._create(
            keys=[keys.record(record.id), keys.owner(record.id), keys.copies(record.id)],
            args=[
                *(lifetime, record.owner, min(lifetime, conf.session_idle_seconds)),
                *(self._bus.address, copy_seconds()),
                *_flat(record.to_fields()),
            ],
        )
        await Total(self._redis, keys.all_sessions()).add(record.id, lifetime)
        self._copies.put(record.id, record, began)

    async def finish_initialize(self, record: SessionRecord) -> None:
        """Add the parameters of `initialize` to a session created without them, if it still exists."""
        await self.change(record.id, "HSET", *_flat(record.to_fields()))

    async def get(self, session_id: str) -> SessionRecord | None:
        """The session, from this process's copy if it is fresh; None if it does not exist.

        Reading it from Redis counts as use, and renews the session's keys.
        """
        if len(session_id) > _MAX_ID_LENGTH:
            return None
        return self._copies.get(session_id, partial(self._read, session_id)) or await self.renew(session_id)

    async def get_own(self, session_id: str, owner: str) -> SessionRecord:
        """The session, if it belongs to this owner.

        Raises:
            SessionNotFound: It does not exist, or belongs to somebody else; the client cannot see which.
        """
        record = await self.get(session_id)
        if record is None or record.owner != owner:
            raise SessionNotFound
        return record

    async def aclose(self) -> None:
        """Cancel reads in progress."""
        await self._copies.aclose()

    async def renew(self, session_id: str) -> SessionRecord | None:
        """Read the session from Redis and renew its keys; None if it does not exist."""
        return await self._copies.read(session_id, partial(self._read, session_id))

    async def _read(self, session_id: str) -> SessionRecord | None:
        try:
            names = [keys.record(session_id), keys.copies(session_id), *keys.renewed_by_use(session_id)]
            args: list[str | float] = [conf.session_idle_seconds, self._bus.address, copy_seconds()]
            found = await self._use(keys=names, args=args)
            if found is None:
                return None
            fields = json.loads(found)
            record = SessionRecord.from_fields(session_id, dict(zip(fields[::2], fields[1::2], strict=True)))
        except Unreadable as error:
            logger.warning(
                "session record cannot be read", extra={"session": short_id(session_id), "reason": str(error)}
            )
            return None
        if not record.seconds_left:
            await self.end(session_id)
            return None
        return record

    async def renew_all(self, session_ids: Collection[str]) -> list[str]:
        """Renew the keys of these sessions. Returns those that have ended.

        Records are not read, so one that cannot be read does no harm.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        found = await in_portions(self._redis, session_ids, self._add_renewal)
        return [session_id for session_id, exists in found if exists == 0]

    async def _add_renewal(self, pipe: Pipeline, session_id: str) -> None:
        names = [keys.record(session_id), *keys.renewed_by_use(session_id)]
        await self._renew(keys=names, args=[conf.session_idle_seconds], client=pipe)

    async def end(self, session_id: str) -> None:
        """End the session: delete its keys, and end its calls and streams in all processes."""
        ended, addresses = await erase(self._redis, session_id)
        if ended is not None:
            self._observers.tell("session_ended", ended)
        await self._bus.publish(addresses, {"type": SESSION_ENDED, "session": session_id}, confirm=True)

    def forget(self, session_id: str) -> None:
        """Drop this process's copy, and any read in progress."""
        self._copies.forget(session_id)

    async def change(self, session_id: str, *command: str) -> None:
        """Change a record by HSET or HDEL, and wait until all processes have dropped their copies."""
        await self._announce(
            session_id, await self._change(keys=_holder_keys(session_id), args=list(command))
        )

    async def change_subscription(self, session_id: str, command: str, uri: str) -> None:
        """Add a subscription to a record by HSET, or remove one by HDEL, like `change`.

        Raises:
            TooManySubscriptions: The session would have more than it may.
        """
        args: list[str | int] = [command, subscription_field(uri), conf.max_subscriptions, MAX_URI_BYTES]
        addresses = await self._subscribe(keys=_holder_keys(session_id), args=args)
        if addresses is None:
            raise TooManySubscriptions
        await self._announce(session_id, addresses)

    async def _announce(self, session_id: str, addresses: list[str]) -> None:
        await self._bus.publish(addresses, {"type": SESSION_CHANGED, "session": session_id}, confirm=True)


def _flat(fields: Mapping[str, str]) -> list[str]:
    """Alternating fields and values, as HSET takes them."""
    return [part for field in fields.items() for part in field]


class RequestSession:
    """The session of one request, as the server's handlers see and change it."""

    def __init__(self, store: SessionStore, record: SessionRecord) -> None:
        self._store = store
        self.record = record

    async def set_log_level(self, level: LoggingLevel) -> None:
        await self._store.change(self.record.id, "HSET", "log_level", level)
        self.record = replace(self.record, log_level=level)

    async def subscribe(self, uri: str) -> None:
        """Add a subscription.

        Raises:
            TooManySubscriptions: The session would have more than it may.
            MCPError: The sessions of the person hold too much already.
        """
        try:
            async with self.reserve(len(uri)):
                await self._store.change_subscription(self.record.id, "HSET", uri)
        except TooMuchHeld as error:
            raise MCPError(INVALID_REQUEST, str(error), error.data) from error

    async def unsubscribe(self, uri: str) -> None:
        await self._store.change_subscription(self.record.id, "HDEL", uri)

    def reserve(self, size: int, *, always: bool = False) -> AbstractAsyncContextManager[None]:
        """Reserves space for this many bytes while they are written; see `HeldBytes.reserve`."""
        return self._store.held.reserve(self.record.person_key, size, always=always)

    @property
    def data(self) -> SessionData:
        """The values that tools store for the session."""
        return self._store.data(self.record)
