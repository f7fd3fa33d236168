"""Adding to a `subscriptions/listen` stream that the SDK serves.

The SDK's listen handler knows four kinds of events and takes no more (its `ServerEvent` is a closed union).
A server middleware can stand around it: it hands the handler this view of the session, through which it sees
the acknowledgement go out, which must be the stream's first message, and may amend it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from mcp.server import ServerRequestContext
from mcp_types import (
    Notification,
    RequestId,
    ServerNotification,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_app.sdk import SUBSCRIPTION_ID_META_KEY, ServerSession

METHOD = "subscriptions/listen"
URIS = "resourceSubscriptions"

Context = ServerRequestContext[Any, Any]
Send = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Puts a notification (method, params) onto the stream, stamped as the stream's own."""


def requested_notifications(ctx: Context) -> Mapping[str, Any]:
    """What a listen request asks for, by the name of the notification.

    It is empty for any other request, and where it is malformed, which is left to the SDK's validation.
    """
    if ctx.method != METHOD or ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return {}
    return _notifications(ctx.params)


def _notifications(params: Mapping[str, Any] | None) -> Mapping[str, Any]:
    notifications = (params or {}).get("notifications")
    return notifications if isinstance(notifications, Mapping) else {}


def strings(notifications: Mapping[str, Any], name: str) -> list[str] | None:
    """What is asked for as an array of strings; None when it is absent or anything else."""
    given = notifications.get(name)
    return given if isinstance(given, list) and all(isinstance(each, str) for each in given) else None


def within_bounds(params: dict[str, Any], *, longest_uri: int, most_uris: int) -> dict[str, Any]:
    """The parameters of a listen request without the URIs that a stream does not keep.

    What is left is what is acknowledged: a server tells the client which of its wishes it honors
    (2026-07-28, basic/patterns/subscriptions). What is malformed is left to the SDK's validation.

    Args:
        params: Of the request.
        longest_uri: Characters of a URI.
        most_uris: How many of them.
    """
    notifications = _notifications(params)
    uris = strings(notifications, URIS)
    if uris is None:
        return params
    kept = [uri for uri in dict.fromkeys(uris) if 0 < len(uri) <= longest_uri][:most_uris]
    return {**params, "notifications": {**notifications, URIS: kept}}


@asynccontextmanager
async def run_alongside_listen(
    ctx: Context, acknowledge: dict[str, Any], work: Callable[[Send], Awaitable[None]]
) -> AsyncIterator[Context]:
    """Do something beside a listen handler, from its acknowledgement to its end.

    Args:
        ctx: The context of the listen request.
        acknowledge: What the acknowledgement gains.
        work: What is done, given how to send.

    Yields:
        The context for the rest of the chain.
    """
    session = _Session(ctx.session, acknowledge)

    async def send(method: str, params: dict[str, Any]) -> None:
        meta = {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
        notification = Notification[dict[str, Any], str](method=method, params={**params, "_meta": meta})
        await ctx.session.send_notification(cast(ServerNotification, notification), ctx.request_id)

    async def work_when_acknowledged() -> None:
        await session.acknowledged.wait()
        await work(send)

    working = asyncio.create_task(work_when_acknowledged())
    try:
        yield replace(ctx, session=cast(ServerSession, session))
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


class _Session:
    """A session that sees the acknowledgement go out; all else is the session's own."""

    def __init__(self, session: ServerSession, acknowledge: dict[str, Any]) -> None:
        self.acknowledged = asyncio.Event()
        self._session = session
        self._acknowledge = acknowledge

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def send_notification(
        self, notification: ServerNotification, related_request_id: RequestId | None = None
    ) -> None:
        if self._acknowledge and isinstance(notification, SubscriptionsAcknowledgedNotification):
            honored = SubscriptionFilter.model_validate(
                {**notification.params.notifications.model_dump(by_alias=True), **self._acknowledge}
            )
            params = notification.params.model_copy(update={"notifications": honored})
            notification = notification.model_copy(update={"params": params})
        await self._session.send_notification(notification, related_request_id)
        self.acknowledged.set()
