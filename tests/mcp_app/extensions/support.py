"""Servers with the tasks extension, several on one Redis as if each were a process, and requests to them."""

import asyncio
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.connection import Connection
from mcp.server.mcpserver import MCPServer
from mcp.server.runner import serve_one
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY
from redis.asyncio import Redis

from everything_site.demo.server import assemble
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.heartbeat import Heartbeat
from mcp_app.coordination.leases import Leases
from mcp_app.extensions.tasks import keys
from mcp_app.extensions.tasks.declaration import IDENTIFIER
from mcp_app.extensions.tasks.extension import Tasks
from mcp_app.protocol.personal_bus import PersonalBus
from mcp_app.server import Engine

WAIT = 10  # seconds that anything here may take before it counts as hung
MODERN = "2026-07-28"
DECLARED = {"elicitation": {}, "extensions": {IDENTIFIER: {}}}


class Hub:
    """The buses of all processes; a deaf one loses messages from the others."""

    def __init__(self):
        self.buses = []

    def bus(self):
        bus = HubBus(self)
        self.buses.append(bus)
        return bus


class HubBus:
    def __init__(self, hub):
        self.hub = hub
        self.address = secrets.token_hex(8)
        self.handlers = {}
        self.is_deaf = False

    def on(self, message_type, handler):
        self.handlers.setdefault(message_type, []).append(handler)

    async def publish(self, addresses, message):
        self._handle(message)
        await self.send_all(addresses, message)

    async def send_all(self, addresses, message, *, confirm=False):
        for bus in self.hub.buses:
            if bus.address in addresses and bus is not self and not bus.is_deaf:
                bus._handle(message)

    def _handle(self, message):
        for handler in self.handlers.get(message["type"], ()):
            handler(message)


@dataclass
class Request:
    """The dispatch context of one request; keeps what was sent on its stream."""

    request_id: int = 1
    headers: dict[str, str] | None = None
    can_send_request: bool = False
    sent: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self):
        self.transport = TransportContext(kind="test", can_send_request=False)
        self.message_metadata = ServerMessageMetadata(request_context=self if self.headers else None)
        self.cancel_requested = anyio.Event()
        self.news = asyncio.Event()

    async def notify(self, method, params, opts=None):
        self.sent.append((method, params))
        self.news.set()

    async def progress(self, progress, total=None, message=None):
        self.sent.append(("notifications/progress", {"progress": progress, "message": message}))

    async def send_raw_request(self, method, params, opts=None):
        raise AssertionError("no request may be sent to the client")

    async def until_sent(self, count):
        """What was sent, once it is so many messages."""
        async with asyncio.timeout(WAIT):
            while len(self.sent) < count:
                self.news.clear()
                await self.news.wait()
        return self.sent


class Process:
    """One process: a server with the extension, on the Redis that all share. Without tools, our server."""

    def __init__(self, redis: Redis, hub: Hub, tools, support):
        self.redis = redis
        self.bus = hub.bus()
        self.support = support
        self.leases = Leases(redis)
        heartbeat = Heartbeat()
        heartbeat.add("leases", self.leases.beat)
        self.directory = Directory(redis, self.bus)
        heartbeat.add("directory", self.directory.beat)
        self.beating = asyncio.create_task(heartbeat.run())
        engine = Engine(redis, self.directory, self.leases, PersonalBus(), [b"k" * 32])

        def build(engine):
            server = MCPServer("test", **engine.options(extensions=[Tasks(support)]))
            tools(server)
            return server

        def demonstration(engine):
            return assemble(engine, note_store=None, with_fixtures=True)

        self.server: MCPServer[Any] = engine.build(demonstration if tools is None else build)
        [self.tasks] = [extension for extension in engine.extensions if isinstance(extension, Tasks)]
        self.store = self.tasks.store

    async def request(
        self,
        method,
        params=None,
        *,
        person="alice",
        client="client",
        capabilities=None,
        version=MODERN,
        request=None,
    ):
        """Send one request as a given principal."""
        declared = DECLARED if capabilities is None else capabilities
        meta = {PROTOCOL_VERSION_META_KEY: version, CLIENT_CAPABILITIES_META_KEY: declared}
        connection = Connection.from_envelope(version, None, declared)
        token = AccessToken(token="t", client_id=client, scopes=[], subject=person)
        context = auth_context_var.set(AuthenticatedUser(token))
        try:
            return await serve_one(
                self.server.session_manager.app,
                request or Request(),
                method,
                {**(params or {}), "_meta": meta},
                connection=connection,
                lifespan_state={},
            )
        finally:
            auth_context_var.reset(context)

    async def call(self, tool, arguments=None, **options):
        return await self.request("tools/call", {"name": tool, "arguments": arguments or {}}, **options)

    async def get(self, task_id, **options):
        return await self.request("tasks/get", {"taskId": task_id}, **options)

    async def cancel(self, task_id, **options):
        return await self.request("tasks/cancel", {"taskId": task_id}, **options)

    async def update(self, task_id, answers, **options):
        return await self.request("tasks/update", {"taskId": task_id, "inputResponses": answers}, **options)

    async def until(self, task_id, *statuses, **options):
        """The task, once it has one of these statuses."""
        async with asyncio.timeout(WAIT):
            async with self.store.watch(task_id) as changed:
                while (task := await self.get(task_id, **options))["status"] not in statuses:
                    changed.clear()
                    try:
                        async with asyncio.timeout(0.2):
                            await changed.wait()
                    except TimeoutError:
                        continue
        return task

    async def crash(self):
        """End as by SIGKILL: the runs stop and nothing is given back."""

        async def nothing(task):
            return

        await self._stop_beating()
        self.store.release = nothing
        self.bus.is_deaf = True
        await self.tasks.runs.aclose()

    async def _stop_beating(self):
        self.beating.cancel()
        await asyncio.wait({self.beating})

    async def stop(self):
        """End in order."""
        await self._stop_beating()
        await self.tasks.runs.aclose()

    async def expire_lease(self, task_id):
        """Expire a lease that nobody renews."""
        await self.redis.delete(keys.lease(task_id))

    @asynccontextmanager
    async def listening(self, task_ids, **options):
        """An open listen stream; yields its request."""
        request = Request(request_id=7)
        notifications = {"taskIds": task_ids}
        listening = asyncio.create_task(
            self.request("subscriptions/listen", {"notifications": notifications}, request=request, **options)
        )
        try:
            await request.until_sent(1)
            yield request
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
