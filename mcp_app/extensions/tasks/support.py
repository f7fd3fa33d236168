"""Declares which tools become tasks, and how. It does not import Redis, so that tools can import it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mcp_types import CallToolRequestParams, InputRequiredResult

from mcp_app.protocol.context import RequestContext

__all__ = ["TaskSupport"]

FirstRound = Callable[[CallToolRequestParams, RequestContext], Awaitable[InputRequiredResult | None]]


@dataclass(frozen=True)
class TaskSupport:
    """How one tool is run as a task.

    The tool is an ordinary one: its progress becomes the task's status message, and an `InputRequiredResult`
    becomes the task's questions. It is then called again with all answers so far.

    Attributes:
        required: Whether it runs only as a task; a client without the extension then gets -32021.
        ttl_seconds: The lifetime of the task from its creation, if not the default.
        first: Returns questions to ask before the task is created (SEP-2663, "Composition with Multi
            Round-Trip Requests"). The answers are passed to the task.
    """

    required: bool = False
    ttl_seconds: int | None = None
    first: FirstRound | None = None
