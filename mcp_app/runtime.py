"""The runtime: wires up everything that one process needs to serve MCP.

Creating it does not use the network. It starts with the first request, in that request's event loop: Daphne
sends no lifespan events, and a process that never serves MCP should not connect.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from mcp.server.auth.provider import TokenVerifier
from mcp.server.mcpserver import MCPServer
from mcp.server.subscriptions import ListenHandler

from mcp_app.auth.tokens import TokenCache
from mcp_app.calls.admission import Admission
from mcp_app.calls.backend import Backend
from mcp_app.calls.client_requests import ClientRequests
from mcp_app.calls.last_seen import LastSeen
from mcp_app.calls.recovery import Recovery
from mcp_app.calls.registry import CallRegistry
from mcp_app.calls.running import RunningCalls
from mcp_app.conf import conf
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.cancellation import cancel_and_wait
from mcp_app.coordination.connection import connect, try_commands
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.heartbeat import Heartbeat
from mcp_app.coordination.layer import channel_layer
from mcp_app.coordination.leases import Leases
from mcp_app.coordination.processes import OpenStreams, ProcessRegistry
from mcp_app.coordination.quotas import Quotas
from mcp_app.database import close_connections, outage_in, use_database
from mcp_app.exceptions import Store, Unavailable
from mcp_app.extension_work import end_work, start_work
from mcp_app.monitoring import catalogue
from mcp_app.monitoring.measuring import Gauge, Measuring
from mcp_app.monitoring.room import Room
from mcp_app.observers import Observer, Observers
from mcp_app.protocol import listen
from mcp_app.protocol.personal import values_of
from mcp_app.protocol.repeatable import may_repeat
from mcp_app.protocol.tool_server import ToolServer
from mcp_app.server import Engine, Factory
from mcp_app.sessions.data import PersonData
from mcp_app.sessions.event_log import EventLog
from mcp_app.sessions.store import SessionStore
from mcp_app.sessions.streams import Streams
from mcp_app.sessions.subscribers import SharedSubscriptionBus, Subscribers
from mcp_app.shutdown import Drain, Drainable, InFlight, TaskSet, hand_over
from mcp_app.worker_threads import WorkerThreads, watched_by

logger = logging.getLogger(__name__)


def load_observers() -> list[Observer]:
    """An instance of each observer in `MCP_OBSERVERS`.

    Raises:
        ImproperlyConfigured: One cannot be imported or created, or is no `Observer`.
    """
    return [_load_observer(path) for path in conf.observers]


def _load_observer(path: str) -> Observer:
    try:
        observer = import_string(path)()
    except Exception as error:
        raise ImproperlyConfigured(f"{path!r} cannot be created: {error}") from error
    if not isinstance(observer, Observer):
        raise ImproperlyConfigured(f"{path!r} is no mcp_app.observers.Observer")
    return observer


class Stopped(Exception):
    """The runtime was stopped: the process is about to end."""


class Runtime:
    """The MCP service of one process. Call `start` before use; it is idempotent.

    Args:
        factory: Builds the server; the function of `MCP_SERVER` if None.
        verifier: Verifies tokens; one of `MCP_TOKEN_VERIFIER` if None.

    Attributes:
        is_started: Whether requests can be served.
    """

    def __init__(self, *, factory: Factory | None = None, verifier: TokenVerifier | None = None) -> None:
        self._starting: asyncio.Task[None] | None = None
        self.is_started = False
        self._stop = asyncio.Event()
        self._lifespan: asyncio.Task[None] | None = None

        self.measuring = Measuring(self._gauges)
        self.redis = connect(conf.redis_url, self.measuring.on_reply)
        self.bus = Bus(channel_layer(), self.measuring.on_echo)
        self.processes = ProcessRegistry(self.redis, self.bus)
        self.leases = Leases(self.redis)
        self.heartbeat = Heartbeat()
        self.directory = Directory(self.redis, self.bus)
        self.quotas = Quotas(self.redis, self.bus)
        self.observers = Observers([*load_observers(), *self.measuring.observers], close_connections)
        self.sessions = SessionStore(self.redis, self.bus, self.observers)
        self.last_seen = LastSeen(self.redis, self.bus)
        self.person_data = partial(PersonData, self.redis)
        self.log = EventLog(self.redis, self.directory)
        subscribers = Subscribers(self.redis, self.log)
        self.subscription_bus = SharedSubscriptionBus(self.directory, subscribers)
        secret_keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        self.engine = Engine(
            self.redis,
            self.directory,
            self.leases,
            self.subscription_bus,
            [f"mcp request state {key}".encode() for key in secret_keys],
            self.observers,
        )
        self.streams = Streams(
            self.log,
            self.directory,
            self.sessions,
            subscribers,
            self.quotas,
            self.engine.background_work,
            self.observers,
        )
        self.server: MCPServer[Any] = self.engine.build(factory or import_string(conf.server))
        self.worker_threads = WorkerThreads()
        self.server.middleware.insert(0, use_database)
        if isinstance(self.server, ToolServer):
            self.server.find_outage = outage_in
            self.server.most_values = conf.max_body_values
        self.engine.add_middleware(self.subscription_bus.listening, listen.METHOD)
        self.tokens = TokenCache(verifier or import_string(conf.token_verifier)(), self.directory)
        self.client_requests = ClientRequests(self.redis, self.bus)
        self.registry = CallRegistry(self.redis, self.leases, self.directory, self.streams)
        self.calls: RunningCalls
        self.admission: Admission
        self.recovery: Recovery
        self.stateless_calls = TaskSet()
        self.listening = TaskSet()
        self.requests, self.pages = InFlight(), InFlight()
        self.drain: Drain | None = None
        self.room = Room(self.redis, self.directory, self.bus.activity, self.observers, self._state)

    @property
    def is_leaving(self) -> bool:
        """Whether load balancers should send this process no new requests: it is about to shut down."""
        return self.is_draining or (self.drain is not None and self.drain.has_begun)

    @property
    def is_draining(self) -> bool:
        """Whether this process is shutting down and begins nothing new."""
        return self.engine.is_draining

    @property
    def needs(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The readiness checks of MCP, for `transports.health.Readyz`."""
        return {"redis": self._try_redis, "channel layer": self._try_channel_layer}

    async def _try_redis(self) -> None:
        await self.start()
        await self.processes.register()
        await try_commands(self.redis)

    async def _try_channel_layer(self) -> None:
        await self.start()
        await self.bus.probe()

    async def start(self) -> None:
        """Connect, and start the background tasks. Concurrent requests wait here.

        Raises:
            Unavailable: Redis cannot be reached; the next request retries.
            Stopped: This process is about to end.
        """
        if self.is_started:
            return
        if not self._stop.is_set():
            if self._starting is None:
                # A new context: background tasks belong to no request and no user.
                self._starting = asyncio.create_task(self._connect(), context=contextvars.Context())
                self._starting.add_done_callback(self._on_started)
            await asyncio.shield(self._starting)  # if the first request is cancelled, the others still wait
        if self._stop.is_set():
            raise Stopped

    def _on_started(self, starting: asyncio.Task[None]) -> None:
        self._starting = None
        if starting.cancelled():
            return
        if (error := starting.exception()) is None:
            self.is_started = not self._stop.is_set()
        elif isinstance(error, Unavailable) and error.store is Store.SESSIONS:
            logger.error(
                "startup failed: Redis cannot be used at %s; start it (in development: manage.py valkey), or "
                "set REDIS_URL or MCP_REDIS_URL; the next request retries",
                conf.redis_place,
                extra={"reason": str(error)},
            )
        else:
            logger.error("startup failed; the next request retries", extra={"reason": str(error)})

    async def _connect(self) -> None:
        await self.leases.beat()
        await self.bus.start()
        await self.processes.register()
        running = asyncio.get_running_loop().create_future()
        self._lifespan = asyncio.create_task(self._run_lifespan(running), name="mcp runtime")
        await asyncio.wait({running, self._lifespan}, return_when=asyncio.FIRST_COMPLETED)
        if self._lifespan.done():
            lifespan, self._lifespan = self._lifespan, None
            await lifespan  # raises why it could not start

    async def stop(self) -> None:
        """Stop without a grace period."""
        if self._lifespan is not None:
            for extension in self.engine.extensions:
                await hand_over(extension)
        await self._leave()

    async def _leave(self) -> None:
        """Accept no more requests, stop the background tasks, and close the connections."""
        self.is_started = False
        self._stop.set()
        try:
            if self._starting is not None:
                await asyncio.wait({self._starting})  # otherwise it would connect again
            if self._lifespan is not None:
                await self.calls.stop()
                await self._lifespan
        finally:
            await self._disconnect()

    async def _disconnect(self) -> None:
        await self.room.aclose()
        await self.subscription_bus.aclose()
        await self.quotas.leave()
        await self.processes.leave()
        await self.bus.stop()
        await self.sessions.aclose()
        await self.tokens.aclose()
        await self.engine.access.aclose()
        await self.redis.aclose()
        await self.observers.aclose()

    def _gauges(self) -> Iterator[Gauge]:
        yield catalogue.CALLS_RUNNING, len(self.calls), "session"
        yield catalogue.CALLS_RUNNING, len(self.stateless_calls), "stateless"
        yield catalogue.CALLS_RUNNING, sum(map(len, self.engine.extensions)), "task"
        yield catalogue.STREAMS_OPEN, self.streams.count(listens=True), "standalone"
        yield catalogue.STREAMS_OPEN, self.streams.count(listens=False), "reply"
        yield catalogue.STREAMS_OPEN, len(self.listening), "listen"
        yield catalogue.DRAINING, self.is_leaving, ""

    def _state(self) -> dict[str, Any]:
        return {
            "calls": self.calls.shown(),
            "streams": self.streams.shown(),
            "lease_ms": self.leases.milliseconds,
            "draining": self.is_draining,
        }

    async def _run_lifespan(self, running: asyncio.Future[None]) -> None:
        """Run the server's lifespan, which must be entered and exited in the same task."""
        app = self.server.session_manager.app
        # For the lifespan and the work of extensions; the guard sets them for requests.
        values_of.set(self.person_data)
        watched_by.set(self.worker_threads)
        async with AsyncExitStack() as stack:
            lifespan_state = await stack.enter_async_context(app.lifespan(app))
            backend = Backend(
                app,
                lifespan_state,
                self.sessions,
                self.streams,
                self.registry,
                self.client_requests,
                self.observers,
                self.quotas,
            )
            self.calls = RunningCalls(backend, self.directory, self.quotas)
            self.admission = Admission(self.engine.access, self.quotas, self.sessions.held)
            self.recovery = Recovery(self.calls, partial(may_repeat, self.server))
            work: list[Drainable] = [*self.engine.extensions, self.calls, self.stateless_calls, self.pages]
            self.drain = Drain(
                self.engine,
                work,
                self.streams,
                self.listening,
                self.requests,
                self._end_listening,
                self._leave,
            )
            self.drain.watch_for_sigterm()
            self.heartbeat.add("leases", self.leases.beat)
            self.heartbeat.add("directory", self.directory.beat)
            self.heartbeat.add("processes", self.processes.beat)
            self.heartbeat.add("calls", self.calls.beat)
            self.heartbeat.add("quotas", self.quotas.beat)
            self.heartbeat.add("last seen", self.last_seen.beat)
            self.heartbeat.add("streams", OpenStreams(self.redis, self.bus, self.streams.counts).beat)
            self.heartbeat.add("metrics", self.measuring.beat)
            await stack.enter_async_context(self.measuring.running(self.redis, self.server))
            self.worker_threads.start()
            stack.push_async_callback(self.worker_threads.aclose)
            beating = asyncio.create_task(self.heartbeat.run(), name="heartbeat")
            stack.push_async_callback(cancel_and_wait, beating)  # it may be reconnecting the bus
            stack.push_async_callback(end_work, start_work(self.engine.extensions))
            await self.room.start()
            running.set_result(None)
            await self._stop.wait()

    def _end_listening(self) -> None:
        entry = self.server.session_manager.app.get_request_handler(listen.METHOD)
        if entry is not None and isinstance(entry.handler, ListenHandler):
            entry.handler.close()
