"""Status notifications: `notifications/tasks` on a `subscriptions/listen` stream (SEP-2663).

The SDK serves `subscriptions/listen`, but its `ServerEvent` is a closed union of four kinds, and its
handler acknowledges only the filters that it knows. So this stands around it, as a server middleware, which
is the public seam for a method of the core: it adds the task ids to the acknowledgement that the SDK
sends, and what becomes of the tasks to the stream after it. All else on the stream is the SDK's.

A listener is a poller whom changes wake: it sends what `tasks/get` would have returned, settles a task whose
process died, and loses nothing when a wake-up is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any, cast

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.session import ServerSession
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import (
    Notification,
    RequestId,
    ServerNotification,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from redis.exceptions import RedisError

from .extension import Tasks, is_declared, not_declared

MAX_TASKS = 100
"""How many tasks one stream follows; what is not acknowledged is to be polled."""

Context = ServerRequestContext[Any, Any]


class TaskListener:
    """The middleware. Append it to the server's."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        wanted = _wanted(ctx)
        if not wanted:
            return await call_next(ctx)
        if not is_declared(ctx):
            raise not_declared()
        followed = [
            task_id
            for task_id in dict.fromkeys(wanted[:MAX_TASKS])
            if await self._tasks.find(task_id, ctx.lifespan_context) is not None
        ]
        session = _Session(ctx.session, followed)
        async with AsyncExitStack() as stack:
            following = asyncio.create_task(self._follow(ctx, followed, session.acknowledged))
            stack.push_async_callback(_end, following)
            return await call_next(replace(ctx, session=cast(ServerSession, session)))

    async def _follow(self, ctx: Context, task_ids: list[str], acknowledged: asyncio.Event) -> None:
        await acknowledged.wait()
        async with asyncio.TaskGroup() as group:
            for task_id in task_ids:
                group.create_task(self._follow_one(ctx, task_id))

    async def _follow_one(self, ctx: Context, task_id: str) -> None:
        """Send the task as it is now, and again whenever it has changed, until it ends."""
        sent: dict[str, Any] | None = None
        with self._tasks.store.watch(task_id) as changed:
            while True:
                changed.clear()
                try:
                    task = await self._tasks.find(task_id, ctx.lifespan_context)
                except (RedisError, OSError):
                    task = None
                else:
                    if task is None:
                        return
                if task is not None:
                    details = task.details()
                    if details != sent:
                        sent = details
                        await self._send(ctx, details)
                    if task.has_ended:
                        return
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._tasks.store.lease_seconds):
                        await changed.wait()

    async def _send(self, ctx: Context, details: dict[str, Any]) -> None:
        meta = {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
        notification = Notification[dict[str, Any], str](
            method="notifications/tasks", params={**details, "_meta": meta}
        )
        await ctx.session.send_notification(
            cast(ServerNotification, notification), related_request_id=ctx.request_id
        )


class _Session:
    """The session as the SDK's listen handler uses it: the acknowledgement gains the task ids."""

    def __init__(self, session: ServerSession, task_ids: list[str]) -> None:
        self.acknowledged = asyncio.Event()
        self._session = session
        self._task_ids = task_ids

    async def send_notification(
        self, notification: ServerNotification, related_request_id: RequestId | None = None
    ) -> None:
        if self._task_ids and isinstance(notification, SubscriptionsAcknowledgedNotification):
            honored = SubscriptionFilter.model_validate(
                {**notification.params.notifications.model_dump(by_alias=True), "taskIds": self._task_ids}
            )
            params = notification.params.model_copy(update={"notifications": honored})
            notification = notification.model_copy(update={"params": params})
        await self._session.send_notification(notification, related_request_id)
        self.acknowledged.set()


def _wanted(ctx: Context) -> list[str]:
    """The task ids that a listen request names; what is malformed is left to the SDK's validation."""
    if ctx.method != "subscriptions/listen" or ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return []
    notifications = (ctx.params or {}).get("notifications")
    task_ids = notifications.get("taskIds") if isinstance(notifications, Mapping) else None
    if not isinstance(task_ids, list):
        return []
    return [task_id for task_id in task_ids if isinstance(task_id, str)]


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
