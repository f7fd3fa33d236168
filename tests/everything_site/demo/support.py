"""The demonstration in memory, for the tests of this folder."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from mcp.server.mcpserver import MCPServer

from everything_site.demo.server import assemble
from mcp_app.extensions.tasks.extension import Tasks
from mcp_app.protocol.personal_bus import PersonalBus
from mcp_app.server import Engine
from tests.support.engine import make_engine
from tests.support.in_memory import (
    ERAS,
    LEGACY,
    MODERN,
    WAIT,
    Answers,
    Exchange,
    Session,
    Values,
    connect,
    text,
    texts,
)

__all__ = [
    "ERAS",
    "LEGACY",
    "MODERN",
    "WAIT",
    "Answers",
    "Exchange",
    "Session",
    "Values",
    "build_server",
    "connect",
    "text",
    "texts",
]


class EngineWithoutTasks(Engine):
    """An engine whose server has no tasks: its tools run immediately, for every client."""

    def options(self, *, extensions: Sequence[Any] = (), **more: Any) -> dict[str, Any]:
        kept = [extension for extension in extensions if not isinstance(extension, Tasks)]
        return super().options(extensions=kept, **more)


def build_server(
    *,
    fixtures: bool = False,
    note_store: Any = None,
    subscriptions: PersonalBus | None = None,
) -> MCPServer:
    """The demonstration, on such an engine."""
    return make_engine(EngineWithoutTasks, subscriptions).build(
        partial(assemble, note_store=note_store, with_fixtures=fixtures)
    )
