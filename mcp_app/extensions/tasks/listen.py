"""Status notifications: `notifications/tasks` on a `subscriptions/listen` stream (SEP-2663).

The SDK's `ServerEvent` is a closed union without tasks, so they cannot go over its bus; see
`mcp_app.protocol.listen` for how they are sent instead.

Each stream polls and is woken by changes: it sends what `tasks/get` would return, recovers a task whose
process died, and misses nothing when a wake-up is lost.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from mcp_app.conf import conf
from mcp_app.coordination.cancellation import raise_if_cancelled
from mcp_app.exceptions import Unavailable
from mcp_app.extensions.tasks.declaration import is_declared, not_declared
from mcp_app.extensions.tasks.store import TaskStore
from mcp_app.extensions.tasks.task import MAX_ID_LENGTH, Task
from mcp_app.protocol.context import RequestContext
from mcp_app.protocol.listen import (
    MAX_FOLLOWED,
    Send,
    requested_notifications,
    run_alongside_listen,
    strings,
)
from mcp_app.sdk import CallNext, HandlerResult

KIND = "taskIds"
"""The parameter of a listen request that names the tasks."""

MAX_PER_PERSON = 1000
"""How many tasks a process follows for one person, on all their streams: each is looked at now and then.
Clients poll those that are not acknowledged."""


class TaskNotifications:
    """The middleware: sends them to clients that listen.

    Args:
        store: The tasks.
        find: Returns a task of the current principal, by its id and the lifespan state.
        person: Returns who that is (`Person.key`).
    """

    def __init__(
        self,
        store: TaskStore,
        find: Callable[[str, Any], Awaitable[Task | None]],
        person: Callable[[], str],
    ) -> None:
        self._store = store
        self._find = find
        self._person = person
        self._following: Counter[str] = Counter()
        """How many tasks are followed, by person."""

    async def __call__(self, ctx: RequestContext, call_next: CallNext) -> HandlerResult:
        asked = _task_ids(ctx)
        if not asked:
            return await call_next(ctx)
        if not is_declared(ctx):
            raise not_declared()
        person = self._person()
        free = min(MAX_FOLLOWED, MAX_PER_PERSON - self._following[person])
        chosen = list(dict.fromkeys(asked))[:free]
        self._following[person] += len(chosen)
        try:
            return await self._listen(ctx, call_next, chosen)
        finally:
            self._following[person] -= len(chosen)
            self._following += Counter()  # drops those of 0

    async def _listen(self, ctx: RequestContext, call_next: CallNext, chosen: Sequence[str]) -> HandlerResult:
        followed = [
            task_id for task_id in chosen if await self._find(task_id, ctx.lifespan_context) is not None
        ]

        async def follow(send: Send) -> None:
            async with asyncio.TaskGroup() as group:
                for task_id in followed:
                    group.create_task(self._follow(send, task_id, ctx.lifespan_context))

        acknowledge = {KIND: followed} if followed else {}
        async with run_alongside_listen(ctx, acknowledge, follow) as inner:
            return await call_next(inner)

    async def _follow(self, send: Send, task_id: str, lifespan_state: Any) -> None:
        """Send the task now, and again after every change, until it ends."""
        sent: dict[str, Any] | None = None
        async with self._store.watch(task_id) as changed:
            while True:
                changed.clear()
                with suppress(Unavailable):
                    task = await self._find(task_id, lifespan_state)
                    if task is None:
                        return
                    details = task.details()
                    if details != sent:
                        sent = details
                        await send("notifications/tasks", details)
                    if task.has_ended:
                        return
                raise_if_cancelled()  # it may have arrived while Redis was asked
                with suppress(TimeoutError):
                    async with asyncio.timeout(conf.lease_seconds):
                        await changed.wait()


def _task_ids(ctx: RequestContext) -> list[str]:
    """The task ids of a listen request.

    Raises:
        MCPError: They are not an array of strings, which the SDK does not validate.
    """
    notifications = requested_notifications(ctx)
    if notifications.get(KIND) is None:
        return []
    task_ids = strings(notifications, KIND)
    if task_ids is None:
        raise MCPError(
            INVALID_PARAMS, f"Invalid params: `params.notifications.{KIND}` must be an array of strings"
        )
    return [task_id for task_id in task_ids if len(task_id) <= MAX_ID_LENGTH]
