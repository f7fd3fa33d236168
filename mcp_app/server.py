"""What a server of one's own is built with. `MCP_SERVER` names a function that takes an `Engine`:

    def build(engine: Engine) -> MCPServer:
        server = MCPServer("shop", version="1.0", **engine.options())
        server.add_tool(price)
        return server

It is called once in each process, before the first MCP request, and must not touch the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from mcp.server.extension import Extension as SdkExtension
from mcp.server.mcpserver import MCPServer
from mcp.server.request_state import RequestStateSecurity
from redis.asyncio import Redis

from mcp_app.asking import PERSON_DEADLINE
from mcp_app.conf import conf
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.leases import Leases
from mcp_app.protocol.install import install
from mcp_app.protocol.log_messages import log
from mcp_app.protocol.older_revisions import SINCE, UNTIL
from mcp_app.protocol.personal import Person, PersonalResources
from mcp_app.protocol.personal_bus import PersonalBus
from mcp_app.protocol.schema_messages import problems
from mcp_app.protocol.session_features import TooMuchData, find_session
from mcp_app.protocol.tool_server import ToolServer
from mcp_app.sdk import ResourcesListChanged, ServerMiddleware
from mcp_app.sessions.listening_work import ListeningSession, Work

__all__ = [
    "SINCE",
    "UNTIL",
    "Engine",
    "Extension",
    "ListeningSession",
    "TooMuchData",
    "ToolServer",
    "find_session",
    "log",
    "problems",
]

Factory = Callable[["Engine"], MCPServer[Any]]


class Extension(SdkExtension):
    """An SDK extension with a life in each process. Override what you need.

    Attributes:
        engine: What it runs on, from `Engine.options` on.
        state_seconds: How long a `requestState` must stay valid for this extension.
    """

    engine: Engine
    state_seconds: float = 0

    def attach(self, engine: Engine) -> None:
        """Called once, by `Engine.options`. The engine has its server only when that is built."""
        self.engine = engine

    def middleware(self) -> Sequence[ServerMiddleware[Any]]:
        """Middleware to put around every request, next to the handlers."""
        return ()

    async def run(self) -> None:
        """What this process does beside requests; cancelled when it ends."""

    def __len__(self) -> int:
        """How much is running here that is to finish before the process ends."""
        return 0

    def __bool__(self) -> bool:
        return True

    async def drain(self) -> None:
        """Hand over what has not finished within `MCP_SHUTDOWN_GRACE_SECONDS` after SIGTERM."""


class Engine:
    """What one process offers to its server.

    Attributes:
        server: The server, once the factory has returned it.
    """

    server: MCPServer[Any]

    def __init__(
        self,
        redis: Redis,
        directory: Directory,
        leases: Leases,
        subscriptions: PersonalBus,
        state_keys: Sequence[bytes],
    ) -> None:
        self.redis = redis
        self.directory = directory
        self.leases = leases
        self.extensions: list[Extension] = []
        """Those with a life."""
        self.works: list[Work] = []
        self._subscriptions = subscriptions
        self._state_keys = state_keys
        self._all_extensions: Sequence[SdkExtension] = ()
        self._resources: Sequence[PersonalResources] = ()
        self._has_options = False

    def options(
        self,
        *,
        extensions: Sequence[SdkExtension] = (),
        resources: Sequence[PersonalResources] = (),
    ) -> dict[str, Any]:
        """Arguments for the server's constructor, where alone the SDK takes them.

        They let processes share subscriptions and the keys of `requestState`.

        Args:
            extensions: Of the SDK, or of this module.
            resources: Providers of resources that differ from person to person.

        Raises:
            ImproperlyConfigured: They were taken already: an engine has one server.
        """
        if self._has_options:
            raise ImproperlyConfigured("Engine.options() was called twice: an engine has one server.")
        self._has_options = True
        self._all_extensions, self._resources = extensions, resources
        self.extensions = [extension for extension in extensions if isinstance(extension, Extension)]
        for extension in self.extensions:
            extension.attach(self)
        # A state that a task keeps must be good for as long as the task may be answered.
        seconds = max(PERSON_DEADLINE, *(extension.state_seconds for extension in self.extensions), 0)
        return {
            "extensions": extensions,
            "request_state_security": RequestStateSecurity(keys=list(self._state_keys), ttl=float(seconds)),
            "subscriptions": self._subscriptions,
        }

    def while_listening(self, work: Work) -> None:
        """Have something done for each session that listens, while its standalone stream is open.

        A session is served by many processes: the work runs in the one that holds the stream, is cancelled
        when the stream moves, and begins at the next. It begins anew after an outage of Redis.

        Args:
            work: Given the session; it runs to its end, or until it is cancelled.
        """
        self.works.append(work)

    async def resources_changed(self, person: Person) -> None:
        """Tell one person's sessions and listen streams that their list of resources has changed.

        For a change that concerns everybody use the SDK's `ctx.notify_resources_changed()`.
        """
        await self._subscriptions.publish(ResourcesListChanged(), person.key)

    def build(self, factory: Factory) -> MCPServer[Any]:
        """Make the server and complete it. Called by the process, once.

        Raises:
            ImproperlyConfigured: The factory did not make a server of this engine.
        """
        name = getattr(factory, "__name__", str(factory))
        server = factory(self)
        if not isinstance(server, MCPServer):
            raise ImproperlyConfigured(f"{name} must return an MCPServer, not {server!r}.")
        if not self._has_options:
            raise ImproperlyConfigured(
                f"{name} made a server that would work in one process only. Give the engine's options to its "
                f"constructor: MCPServer({server.name!r}, **engine.options())"
            )
        install(
            server,
            extensions=self._all_extensions,
            providers=self._resources,
            page_size=conf.page_size,
            resource_page_size=conf.resource_page_size,
            max_body_bytes=conf.max_body_bytes,
        )
        for extension in self.extensions:
            server.middleware.extend(extension.middleware())
        self.server = server
        return server
