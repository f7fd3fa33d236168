"""Which tools become tasks, and how. It imports no Redis, so that a server may name its tools with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mcp.server import ServerRequestContext
from mcp_types import CallToolRequestParams, InputRequiredResult

FirstRound = Callable[
    [CallToolRequestParams, ServerRequestContext[Any, Any]], Awaitable[InputRequiredResult | None]
]


@dataclass(frozen=True)
class TaskSupport:
    """How one tool is run as a task.

    Its body is an ordinary tool: what it reports as progress becomes the task's status message, and an
    `InputRequiredResult` that it returns becomes the task's questions. It is then called again with every
    answer that the task got so far.

    Attributes:
        required: Whether it runs only as a task; a client without the extension then gets -32021.
        ttl_seconds: How long the task lives from its creation, if not as long as others.
        first: Asks, before there is a task, what must be known beforehand (SEP-2663, "Composition with
            Multi Round-Trip Requests"). The answers are passed on to the task.
    """

    required: bool = False
    ttl_seconds: int | None = None
    first: FirstRound | None = None
