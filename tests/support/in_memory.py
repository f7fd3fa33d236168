"""Clients and single requests in memory, for tests of servers and of the protocol."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import anyio
from mcp.client import Client
from mcp.server.connection import Connection
from mcp.server.mcpserver import MCPServer
from mcp.server.runner import serve_one
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp.types import (
    CallToolResult,
    ClientCapabilities,
    CreateMessageResult,
    ElicitResult,
    Implementation,
    InitializeRequestParams,
    ListRootsResult,
    Root,
    TextContent,
)

from mcp_app.protocol.session_features import TooMuchData

LEGACY = "legacy"  # the SDK client's mode for the revisions with a handshake
MODERN = "2026-07-28"
ERAS = (LEGACY, MODERN)

WAIT = 10  # seconds that anything here may take before it counts as hung


class Values:
    """Session data, in memory."""

    def __init__(self):
        self.kept = {}

    async def names(self, prefix=""):
        return [name for name in self.kept if name.startswith(prefix)]

    async def get(self, name):
        return self.kept.get(name)

    async def set(self, name, value, *, most=None, prefix=""):
        is_new = name not in self.kept
        if is_new and most is not None and len(await self.names(prefix)) >= most:
            raise TooMuchData("there are too many")
        self.kept[name] = value
        return is_new

    async def delete(self, name):
        return self.kept.pop(name, None) is not None


class Session:
    """A session that records its changes."""

    def __init__(self):
        self.record = SimpleNamespace(id="s", subscriptions=frozenset())
        self.data = Values()
        self.changes = []

    async def set_log_level(self, level):
        self.changes.append(("level", level))

    async def subscribe(self, uri):
        self.changes.append(("subscribe", uri))

    async def unsubscribe(self, uri):
        self.changes.append(("unsubscribe", uri))


class Answers:
    """A client's person, model and roots, recording the requests."""

    def __init__(self, *, form: ElicitResult | None = None, text: str = "Paris", roots: tuple[str, ...] = ()):
        self.form = form or ElicitResult(action="accept", content={})
        self.text = text
        self.roots = roots
        self.forms: list[Any] = []
        self.samplings: list[Any] = []

    async def elicit(self, context, params):
        self.forms.append(params)
        return self.form

    async def sample(self, context, params):
        self.samplings.append(params)
        content = TextContent(type="text", text=self.text)
        return CreateMessageResult(role="assistant", content=content, model="test-model")

    async def list_roots(self, context):
        return ListRootsResult(roots=[Root(uri=uri) for uri in self.roots])


@asynccontextmanager
async def connect(server: MCPServer, era: str, answers: Answers | None = None, **options: Any):
    """An SDK client of that era; with `answers`, one with every capability."""
    if answers is not None:
        options = {
            "elicitation_callback": answers.elicit,
            "sampling_callback": answers.sample,
            "list_roots_callback": answers.list_roots,
            **options,
        }
    with anyio.fail_after(WAIT):
        mode = "auto" if era == MODERN else era
        async with Client(server, mode=mode, **options) as client:
            yield client


def texts(result: CallToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, TextContent)]


def text(result: CallToolResult) -> str:
    assert not result.is_error, result.content
    (only,) = texts(result)
    return only


@dataclass
class Exchange:
    """One request of an older revision, recording both streams."""

    version: str = "2025-11-25"
    request: Any = None
    capabilities: ClientCapabilities = field(default_factory=ClientCapabilities)
    answer: Any = None  # the result, or the exception, for what the server asks
    closed: int = 0

    def __post_init__(self):
        self.own: list[tuple[str, Any]] = []  # the request's stream
        self.standalone: list[tuple[str, Any]] = []  # the GET stream
        self.asked: list[tuple[str, Any, Any]] = []
        self.transport = TransportContext(kind="streamable-http", can_send_request=True)
        self.can_send_request = True
        self.request_id = 1
        self.cancel_requested = anyio.Event()
        self.message_metadata = ServerMessageMetadata(
            request_context=self.request, close_sse_stream=self.close
        )

    async def close(self):
        self.closed += 1

    async def notify(self, method, params, opts=None):
        self.own.append((method, params))

    async def progress(self, progress, total=None, message=None):
        self.own.append(("notifications/progress", {"progress": progress, "total": total}))

    async def send_raw_request(self, method, params, opts=None):
        self.asked.append((method, params, opts))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def run(self, server: MCPServer, method: str, params: dict[str, Any]) -> dict[str, Any]:
        outer = self

        class Standalone:
            async def send_raw_request(self, method, params, opts=None):
                raise AssertionError(f"{method} was sent outside the stream of its request")

            async def notify(self, method, params, opts=None):
                outer.standalone.append((method, params))

        connection = Connection(
            Standalone(),
            protocol_version=self.version,
            session_id="s",
            client_params=InitializeRequestParams(
                protocol_version=self.version,
                capabilities=self.capabilities,
                client_info=Implementation(name="test", version="1"),
            ),
        )
        connection.initialized.set()
        app = server.session_manager.app
        return await serve_one(app, self, method, params, connection=connection, lifespan_state={})

    async def call(self, server: MCPServer, name: str, arguments: dict[str, Any] | None = None) -> str:
        result = await self.run(server, "tools/call", {"name": name, "arguments": arguments or {}})
        return result["content"][0]["text"]
