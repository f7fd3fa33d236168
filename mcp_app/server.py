"""The API for building your own server. `MCP_SERVER` is the path of a function that takes an `Engine`:

    def build(engine: Engine) -> MCPServer:
        server = MCPServer("shop", version="1.0", **engine.options())
        server.add_tool(price)
        return server

It is called once in each process, before the first MCP request, and must not touch the network.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from mcp.server.extension import Extension as SdkExtension
from mcp.server.mcpserver import MCPServer
from mcp.server.request_state import RequestStateSecurity
from redis.asyncio import Redis

from mcp_app.access import ToolAccess
from mcp_app.asking import PERSON_DEADLINE
from mcp_app.conf import conf
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.leases import Lease, Leases
from mcp_app.coordination.topics import TopicListener, Topics
from mcp_app.observers import NOBODY, Observers
from mcp_app.protocol.by_method import ByMethod
from mcp_app.protocol.context import RequestContext
from mcp_app.protocol.install import install
from mcp_app.protocol.log_messages import log
from mcp_app.protocol.older_revisions import SINCE, UNTIL
from mcp_app.protocol.personal import Person, PersonalResources
from mcp_app.protocol.personal_bus import PersonalBus
from mcp_app.protocol.schema_messages import problems
from mcp_app.protocol.session_features import SessionState, StoredValues, TooMuchData, find_session
from mcp_app.protocol.tool_server import ToolServer
from mcp_app.sdk import CallNext, HandlerResult, ResourcesListChanged, ResourceUpdated, ServerMiddleware
from mcp_app.sessions.listening_work import ListeningSession, Work

__all__ = [
    "SINCE",
    "UNTIL",
    "Engine",
    "Extension",
    "Lease",
    "Leases",
    "ListeningSession",
    "SessionState",
    "StoredValues",
    "TooMuchData",
    "ToolServer",
    "TopicListener",
    "Topics",
    "find_session",
    "log",
    "problems",
]

Factory = Callable[["Engine"], MCPServer[Any]]


class Extension(SdkExtension):
    """An SDK extension with a lifecycle in each process. Override what you need.

    Attributes:
        engine: The engine, set by `Engine.options`.
        state_seconds: How long a `requestState` must stay valid for this extension.
        listen_kinds: The kinds of notifications that it adds to the parameters of `subscriptions/listen`,
            such as `taskIds`. Those that nothing names are dropped.
    """

    engine: Engine
    state_seconds: float = 0
    listen_kinds: Collection[str] = ()

    def attach(self, engine: Engine) -> None:
        """Called once, by `Engine.options`, before the engine has its server."""
        self.engine = engine

    def middleware(self) -> Sequence[ServerMiddleware[Any]]:
        """Middleware to put around every request, next to the handlers.

        Provisional: the SDK may change the signature of a middleware in a minor release.
        """
        return ()

    async def run(self) -> None:
        """Background work of this process. It runs until it returns, or is cancelled at shutdown.

        Shutdown is after SIGTERM, when calls have ended. It then has two seconds to clean up. A process that
        is killed, as when `runserver` restarts it, cancels nothing; its leases expire.

        After an outage of Redis or of the database it is restarted within seconds. After any other exception
        it is restarted too, with pauses that grow to a minute. Both are logged.
        """

    def __len__(self) -> int:
        """How much work is running that should finish before the process ends."""
        return 0

    def __bool__(self) -> bool:
        return True

    async def drain(self) -> None:
        """Hand over what has not finished within `MCP_SHUTDOWN_GRACE_SECONDS` after SIGTERM.

        Called before calls are handed over, and cancelled after ten seconds. `run` goes on until later: see
        `Engine.is_draining` for not taking on more work.
        """


class Engine:
    """The engine of one process, as its server uses it.

    Attributes:
        bus: Topics that other processes of the project wake this one by, with `notify.publish`.
        leases: Locks that expire with their process, for work that only one process may do at a time.
        server: The server, once the factory has returned it.
        access: Who may use which of its tools, from then on.
        is_draining: Whether this process got SIGTERM: it finishes what it does, and should begin nothing new.
    """

    server: MCPServer[Any]
    access: ToolAccess
    is_draining = False

    def __init__(
        self,
        redis: Redis,
        directory: Directory,
        leases: Leases,
        subscriptions: PersonalBus,
        state_keys: Sequence[bytes],
        observers: Observers = NOBODY,
    ) -> None:
        self.redis = redis
        self.bus = Topics(directory.bus)
        self.directory = directory
        self.observers = observers
        self.leases = leases
        self.extensions: list[Extension] = []
        """The extensions with a lifecycle."""
        self.background_work: list[Work] = []
        self._subscriptions = subscriptions
        self._state_keys = state_keys
        self._all_extensions: Sequence[SdkExtension] = ()
        self._resources: Sequence[PersonalResources] = ()
        self._by_method = ByMethod()
        self._has_options = False

    def options(
        self,
        *,
        extensions: Sequence[SdkExtension] = (),
        resources: Sequence[PersonalResources] = (),
        middleware: Sequence[ServerMiddleware[Any]] = (),
    ) -> dict[str, Any]:
        """Arguments for the server's constructor.

        They make processes share subscriptions and the keys of `requestState`.

        Args:
            extensions: Extensions of the SDK, or of this module.
            resources: Providers of per-person resources.
            middleware: Middleware of the SDK, the outermost first.

        Raises:
            ImproperlyConfigured: It was called before: an engine has one server.
        """
        if self._has_options:
            raise ImproperlyConfigured("Engine.options() was called twice: an engine has one server.")
        self._has_options = True
        self._all_extensions, self._resources = extensions, resources
        self.extensions = [extension for extension in extensions if isinstance(extension, Extension)]
        for extension in self.extensions:
            extension.attach(self)
        # The state of a task must stay valid for as long as its questions may be answered.
        seconds = max(PERSON_DEADLINE, *(extension.state_seconds for extension in self.extensions), 0)
        return {
            "extensions": extensions,
            "middleware": [self._options_marker, *middleware],
            "request_state_security": RequestStateSecurity(keys=list(self._state_keys), ttl=float(seconds)),
            "subscriptions": self._subscriptions,
        }

    @property
    def listen_kinds(self) -> frozenset[str]:
        """The kinds of notifications that extensions add to those of `subscriptions/listen`."""
        return frozenset(kind for extension in self.extensions for kind in extension.listen_kinds)

    def add_middleware(self, middleware: ServerMiddleware[Any], *methods: str) -> None:
        """Put a middleware of the SDK around the requests of some methods, which costs no other request.

        Args:
            middleware: The middleware; inside of those that were added before.
            methods: The methods, such as `resources/list`.
        """
        self._by_method.add(middleware, *methods)

    def while_listening(self, work: Work) -> None:
        """Run background work for each session, while it has a standalone stream open.

        A session is served by many processes: the work runs in the one with the stream. When the stream
        moves, it is cancelled and started in the other process. It is restarted after an outage of Redis.

        Args:
            work: Gets the session; it runs until it returns or is cancelled.
        """
        self.background_work.append(work)

    async def resources_changed(self, person: Person) -> None:
        """Notify one person's sessions and listen streams that their list of resources has changed.

        For a change that concerns everybody use the SDK's `ctx.notify_resources_changed()`.
        """
        await self._subscriptions.publish(ResourcesListChanged(), person.key)

    async def resource_updated(self, uri: str, person: Person) -> None:
        """Notify one person's sessions and listen streams that subscribed to a resource that it has changed.

        For a resource that others can read use the SDK's `ctx.notify_resource_updated()`.
        """
        await self._subscriptions.publish(ResourceUpdated(uri=uri), person.key)

    async def _options_marker(self, ctx: RequestContext, call_next: CallNext) -> HandlerResult:
        """A pass-through middleware; its presence shows that `options()` was used. `build` removes it."""
        return await call_next(ctx)

    def build(self, factory: Factory) -> MCPServer[Any]:
        """Build the server and install the protocol features. Called once per process.

        Raises:
            ImproperlyConfigured: The factory returned no server, or one without a name, or did not pass it
                the result of `options`.
        """
        name = getattr(factory, "__name__", str(factory))
        with _root_logger_kept():
            server = _call(factory, self, name)
        if not isinstance(server, MCPServer):
            raise ImproperlyConfigured(f"{name} must return an MCPServer, not {server!r}.")
        if self._options_marker not in server.middleware:
            raise ImproperlyConfigured(
                f"{name} built a server that would work in a single process only. Pass the engine's options "
                f"to its constructor: MCPServer({server.name!r}, **engine.options())"
            )
        server.middleware.remove(self._options_marker)
        self.access = ToolAccess(server)
        install(
            server,
            by_method=self._by_method,
            access=self.access,
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


def _call(factory: Factory, engine: Engine, name: str) -> object:
    """Call a factory; the SDK's complaints about its arguments become instructions."""
    try:
        return factory(engine)
    except ValueError as error:
        if "server has no name" not in str(error):
            raise
        raise ImproperlyConfigured(
            f'{name} built a server without a name. Give it one: MCPServer("my-server", **engine.options())'
        ) from error
    except TypeError as error:
        if "multiple values for keyword argument" not in str(error):
            raise
        raise ImproperlyConfigured(
            f"{name} passed an argument beside **engine.options() that is one of these ({error}). Pass "
            "extensions and middleware to the engine: **engine.options(extensions=[…], middleware=[…])"
        ) from error


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Keep the host's logging: each `MCPServer` calls `logging.basicConfig`."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
