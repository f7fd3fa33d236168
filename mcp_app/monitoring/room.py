"""The machine room: what all processes do, told to whoever watches, and to nobody else.

A watcher sets a key in Redis for 15 seconds, sends all processes a message, and does so again every 5
seconds. Until then, each process publishes what it notes (`mcp_app.activity`) on a channel, and its own state
every second. Nothing of it is stored, and what is lost is not sent again; the next state corrects the
picture.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.asyncio import Redis

from mcp_app.activity import Activity
from mcp_app.conf import conf
from mcp_app.coordination import keys
from mcp_app.coordination.bus import BusMessage, name_in
from mcp_app.coordination.cancellation import cancel_and_wait, raise_if_cancelled
from mcp_app.coordination.connection import reaching_redis
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.shares import current_share
from mcp_app.exceptions import Unavailable, Unreadable, reading
from mcp_app.monitoring.query_timer import QueryTimer
from mcp_app.monitoring.room_observer import RoomObserver
from mcp_app.observers import Observers

logger = logging.getLogger(__name__)

WATCHED = "room.watched"

WATCH_SECONDS = 15
"""How long processes go on publishing after a watcher was last heard of."""

RENEW_SECONDS = 5.0
"""How often a watcher says that it is still there."""

BEAT_SECONDS = 1.0
"""How often a process publishes its state."""

FLUSH_SECONDS = 0.1
"""How long a note may wait to be published with others."""

MAX_WATCHERS = 50
"""How many people may watch at one process, and how many operators: neither take the places of the others."""

_MAX_WAITING = 100
"""How many messages wait for a slow watcher; beyond that, the oldest are dropped."""

State = Callable[[], Mapping[str, Any]]


class TooManyWatchers(Exception):
    """As many as may are watching at this process."""


class Watcher:
    """What one viewer gets to see.

    Args:
        person: Whose activity (`Principal.person_key`); None for everybody's.
    """

    def __init__(self, person: str | None) -> None:
        self._person = person
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_MAX_WAITING)

    @property
    def is_operator(self) -> bool:
        """Whether it sees everybody's activity."""
        return self._person is None

    async def next(self, seconds: float) -> dict[str, Any] | None:
        """The next message of a process; None if none arrives within this many seconds."""
        try:
            async with asyncio.timeout(seconds):
                return await self._messages.get()
        except TimeoutError:
            return None

    def put(self, message: Mapping[str, Any]) -> None:
        """Deliver what this viewer may see of a message."""
        if self._messages.full():
            self._messages.get_nowait()
        self._messages.put_nowait(_seen_by(self._person, message))


class Room:
    """The machine room, in one process: publishes while anybody watches, and serves those who watch here.

    Args:
        redis: The connections to Redis.
        directory: Finds all processes.
        activity: The notes of this process.
        observers: The observers of this process; while anybody watches, one more is attached.
        state: The state of this process, as it is now.
    """

    def __init__(
        self, redis: Redis, directory: Directory, activity: Activity, observers: Observers, state: State
    ) -> None:
        self._redis = redis
        self._directory = directory
        self._activity = activity
        self._observers = observers
        self._state = state
        self._queries = QueryTimer(self._on_query)
        self._until = 0.0
        self._publisher: asyncio.Task[None] | None = None
        self._watchers: set[Watcher] = set()
        self._serving: asyncio.Task[None] | None = None
        directory.bus.on(WATCHED, self._on_watched)

    async def start(self) -> None:
        """Publish from the start, if somebody watches already.

        Raises:
            Unavailable: Redis cannot be reached.
        """
        if await self._redis.exists(keys.room_watched()):
            self._on_watched({})

    async def aclose(self) -> None:
        """Say that this process has gone, if anybody watches, and stop."""
        for task in (self._publisher, self._serving):
            if task is not None:
                await cancel_and_wait(task)

    @asynccontextmanager
    async def watching(self, person: str | None) -> AsyncIterator[Watcher]:
        """Watch while the context is open.

        Args:
            person: Whose activity; None for everybody's.

        Raises:
            TooManyWatchers: `MAX_WATCHERS` of the same kind watch at this process.
        """
        watcher = Watcher(person)
        if sum(one.is_operator == watcher.is_operator for one in self._watchers) >= MAX_WATCHERS:
            raise TooManyWatchers
        self._watchers.add(watcher)
        if self._serving is None or self._serving.done() or self._serving.cancelling():
            # A new context: it belongs to none of the watchers.
            self._serving = asyncio.create_task(
                self._serve(), name="machine room", context=contextvars.Context()
            )
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            if not self._watchers and self._serving is not None:
                self._serving.cancel()

    async def _serve(self) -> None:
        """Receive for the watchers of this process, and keep all processes publishing."""
        renewing = asyncio.create_task(self._renew())
        try:
            while True:
                try:
                    await self._receive()
                except Unavailable:
                    raise_if_cancelled()
                    await asyncio.sleep(1.0)
        finally:
            renewing.cancel()

    async def _renew(self) -> None:
        while True:
            with suppress(Unavailable):
                await self._redis.set(keys.room_watched(), "1", ex=WATCH_SECONDS)
                await self._directory.publish({"type": WATCHED}, keys.processes())
            await asyncio.sleep(RENEW_SECONDS)

    async def _receive(self) -> None:
        with reaching_redis:
            async with self._redis.pubsub() as channel:
                await channel.subscribe(keys.room())
                while True:
                    received = await channel.get_message(
                        ignore_subscribe_messages=True, timeout=RENEW_SECONDS
                    )
                    raise_if_cancelled()
                    if received is None:
                        continue
                    with suppress(Unreadable), reading():  # of another release
                        message = json.loads(received["data"])
                        for watcher in self._watchers:
                            watcher.put(message)

    def _on_watched(self, message: BusMessage) -> None:
        self._until = time.monotonic() + WATCH_SECONDS
        if not self._activity.watched:
            self._activity.watched = True
            self._publisher = asyncio.create_task(self._publish(), name="machine room publisher")

    async def _publish(self) -> None:
        """Publish until nobody watches any more."""
        observer = RoomObserver(self._activity, asyncio.get_running_loop())
        self._observers.attach(observer)
        beat_at = 0.0
        try:
            with self._queries.timing():
                while (now := time.monotonic()) < self._until:
                    state = None
                    if now >= beat_at:
                        state, beat_at = self._beat(), now + BEAT_SECONDS
                    await self._send(state)
                    await asyncio.sleep(FLUSH_SECONDS)
        finally:
            self._observers.detach(observer)
            if time.monotonic() < self._until:  # this process ends while others watch
                self._activity.note("process.gone")
                await self._send(None)
            self._activity.forget()

    def _on_query(self, vendor: str, seconds: float, has_failed: bool) -> None:
        if self._activity.watched:
            self._activity.query(current_share())

    def _beat(self) -> dict[str, Any]:
        queries = self._activity.take_queries()
        return {**self._state(), "queries": [[person, number] for person, number in queries.items()]}

    async def _send(self, state: Mapping[str, Any] | None) -> None:
        notes, unkept = self._activity.take()
        if not (notes or unkept or state):
            return
        address = self._directory.bus.address
        message: dict[str, Any] = {"process": name_in(address), "life": address[-6:], "events": notes}
        if unkept:
            message["more"] = unkept
        if state is not None:
            message["state"] = state
        with suppress(Unavailable):
            await self._redis.publish(keys.room(), json.dumps(message))


def _seen_by(person: str | None, message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as one person may see it, or an operator (None)."""
    seen = dict(message)
    if person is None:
        seen["events"] = [{**event, "person": _tag(event["person"])} for event in message["events"]]
    else:
        seen["process"] = _public_name(message["process"])
        seen.pop("more", None)
        seen["events"] = [
            {name: value for name, value in _with_public_names(event).items() if name != "person"}
            for event in message["events"]
            if event["person"] == person or event["type"].startswith("process.")
        ]
    if (state := message.get("state")) is not None:
        seen["state"] = _state_seen_by(person, state)
    return seen


def _state_seen_by(person: str | None, state: Mapping[str, Any]) -> dict[str, Any]:
    seen = dict(state)
    for name in ("calls", "streams"):
        seen[name] = [
            {key: value for key, value in one.items() if key != "person"}
            for one in state.get(name, ())
            if person is None or one["person"] == person
        ]
    queries = state.get("queries", ())
    seen["queries"] = sum(number for whose, number in queries if person is None or whose == person)
    return seen


def _tag(person: str | None) -> str | None:
    """Tells persons apart without naming them."""
    return None if person is None else hashlib.sha256(person.encode()).hexdigest()[:6]


def _public_name(process: str) -> str:
    """The name of a process for clients, who may not learn the names of hosts unless a setting says so."""
    return process if conf.served_by else f"process-{hashlib.sha256(process.encode()).hexdigest()[:4]}"


def _with_public_names(event: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(event)
    for field in ("to", "of"):
        match found.get(field):
            case str() as name:
                found[field] = _public_name(name)
            case list() as names:
                found[field] = [_public_name(name) for name in names]
    return found
