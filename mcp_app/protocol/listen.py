"""Adding notifications to a `subscriptions/listen` stream that the SDK serves.

The SDK's listen handler supports only four kinds of events (its `ServerEvent` is a closed union). A
middleware can wrap the session that the handler gets: it then sees the acknowledgement, which must be the
first message on the stream, and can extend it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pydantic_core
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    Notification,
    RequestId,
    ServerNotification,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_app.protocol.client_declaration import MAX_CAPABILITIES_BYTES
from mcp_app.protocol.context import RequestContext
from mcp_app.sdk import SUBSCRIPTION_ID_META_KEY, ServerSession

METHOD = "subscriptions/listen"
URIS = "resourceSubscriptions"

MAX_FOLLOWED = 100
"""How many objects of an extension, such as tasks, a stream follows; each costs as much as a request."""

_USED_META = (
    PROTOCOL_VERSION_META_KEY,
    CLIENT_CAPABILITIES_META_KEY,
    LOG_LEVEL_META_KEY,
    "progressToken",
    "traceparent",
)
"""The fields of a request's `_meta` to keep, besides the client's name."""

_KINDS = frozenset(field.alias or name for name, field in SubscriptionFilter.model_fields.items())
"""The kinds of notifications that the protocol names."""

_MALFORMED = "…"
"""Replaces a long value that is not an array of strings; validation rejects it as well."""

Send = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Sends a notification (method, params) on the stream, with its subscription id."""


def requested_notifications(ctx: RequestContext) -> Mapping[str, Any]:
    """What a listen request subscribes to, by name.

    Empty for any other request, and if it is malformed, which the SDK's validation reports.
    """
    if ctx.method != METHOD or ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return {}
    return _notifications(ctx.params)


def _notifications(params: Mapping[str, Any] | None) -> Mapping[str, Any]:
    notifications = (params or {}).get("notifications")
    return notifications if isinstance(notifications, Mapping) else {}


def strings(notifications: Mapping[str, Any], name: str) -> list[str] | None:
    """A subscription given as an array of strings; None if it is missing or anything else."""
    given = notifications.get(name)
    return given if isinstance(given, list) and all(isinstance(each, str) for each in given) else None


def number_followed(params: Mapping[str, Any] | None) -> int:
    """How many objects of extensions a listen request names; each has to be looked up by itself."""
    named = [value for name, value in _notifications(params).items() if name not in _KINDS]
    return sum(min(len(value), MAX_FOLLOWED) for value in named if isinstance(value, list))


def within_bounds(
    params: dict[str, Any],
    *,
    kinds: Collection[str],
    client_info: Any,
    max_length: int,
    max_items: int,
    max_bytes: int,
) -> dict[str, Any]:
    """The parameters of a listen request, which are kept as long as its stream is open, within the limits.

    The rest is acknowledged: the client learns which subscriptions the server honors (2026-07-28,
    basic/patterns/subscriptions). Malformed parameters are left to the SDK's validation.

    Args:
        params: The parameters.
        kinds: The kinds of notifications that extensions add (`Extension.listen_kinds`).
        client_info: The `clientInfo` to keep.
        max_length: The maximum length of a URI, or of any other string.
        max_items: The maximum length of an array.
        max_bytes: The maximum length of the strings of all arrays together.
    """
    left = max_bytes

    def bounded(value: Any) -> Any:
        nonlocal left
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            return _unless_longer(value, max_length)
        kept: list[str] = []
        for each in dict.fromkeys(value):
            if 0 < len(each) <= max_length and len(kept) < max_items and (size := len(each.encode())) <= left:
                kept.append(each)
                left -= size
        return kept

    meta, notifications = params.get("_meta"), params.get("notifications")
    if isinstance(meta, dict):
        used = {
            name: _unless_longer(meta[name], MAX_CAPABILITIES_BYTES) for name in _USED_META if name in meta
        }
        meta = used if client_info is None else {**used, CLIENT_INFO_META_KEY: client_info}
    if isinstance(notifications, dict):
        known = _KINDS.union(kinds)
        notifications = {name: bounded(value) for name, value in notifications.items() if name in known}
    kept = {"_meta": meta, "notifications": notifications}
    return {name: value for name, value in kept.items() if name in params}


def _unless_longer(value: Any, max_bytes: int) -> Any:
    return value if len(pydantic_core.to_json(value)) <= max_bytes else _MALFORMED


@asynccontextmanager
async def run_alongside_listen(
    ctx: RequestContext, acknowledge: dict[str, Any], work: Callable[[Send], Awaitable[None]]
) -> AsyncIterator[RequestContext]:
    """Run something alongside a listen handler, from its acknowledgement to its end.

    Args:
        ctx: The context of the listen request.
        acknowledge: Fields to add to the acknowledgement.
        work: What to run; it gets a function that sends notifications.

    Yields:
        The context for the rest of the middleware chain.
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
    """A proxy of the session that intercepts the acknowledgement."""

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
