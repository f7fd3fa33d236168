"""What the rest of a Django project tells the MCP processes: from views, commands and signal handlers.

These functions are synchronous and need no running server; every process that serves MCP hears of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from mcp.server.subscriptions import ServerEvent

from mcp_app.auth.tokens import WITHDRAWN
from mcp_app.conf import conf
from mcp_app.coordination.bus import EVERYONE, Bus
from mcp_app.coordination.connection import connect, reaching_redis
from mcp_app.coordination.leases import Leases
from mcp_app.exceptions import Unavailable
from mcp_app.extensions.tasks.store import TaskStore
from mcp_app.monitoring.sessions import shown
from mcp_app.sessions.event_log import EventLog
from mcp_app.sessions.store import ENDED, erase
from mcp_app.sessions.subscribers import Audience
from mcp_app.sessions.subscription_bus import to_message

logger = logging.getLogger(__name__)


def withdraw_access(checksums: Sequence[str], grants: Sequence[str] = ()) -> None:
    """Make every process forget access that has become invalid, and end what runs by it, tasks included.

    Args:
        checksums: SHA-256 of access tokens, in hexadecimal.
        grants: Consents, as the claim `grant` of their tokens names them.
    """

    message = {"type": WITHDRAWN, "checksums": list(checksums), "grants": list(grants)}
    # Tasks first: nothing else ends one that is missed, but a token that is missed is verified again soon.
    if grants and (fault := _attempt(partial(_cancel_tasks, grants))) is not None:
        logger.warning("tasks of a withdrawn consent may run on", extra={"reason": str(fault)})
    _tell_everyone(message)


async def _cancel_tasks(grants: Sequence[str]) -> None:
    redis = connect(settings.REDIS_URL)
    try:
        tasks = TaskStore(redis, Bus(get_channel_layer()), Leases(redis), ttl_seconds=conf.task_seconds)
        await tasks.cancel_by_grant(*grants)
    finally:
        await redis.aclose()


def publish(event: ServerEvent) -> None:
    """Publish a change (a list, a resource) to its subscribers in all sessions and listen streams."""

    async def tell() -> None:
        layer = get_channel_layer()
        redis = connect(settings.REDIS_URL)
        try:
            await layer.group_send(EVERYONE, to_message(event))
            await Audience(redis, EventLog(redis, Bus(layer))).tell(event)
        finally:
            await redis.aclose()

    _announce(tell)


def end_session(session_id: str, by: str) -> bool:
    """End a session as its client's DELETE would. False when there was none any more.

    Args:
        session_id: The whole of it.
        by: Who ends it, for the log.

    Raises:
        Unavailable: The session may still live.
    """
    existed = async_to_sync(_erase)(session_id)
    _tell_everyone({"type": ENDED, "session": session_id})
    logger.info("session ended by an operator", extra={"session": shown(session_id), "by": by})
    return existed


async def _erase(session_id: str) -> bool:
    redis = connect(settings.REDIS_URL)
    try:
        return await erase(redis, session_id)
    finally:
        await redis.aclose()


def _tell_everyone(message: dict[str, Any]) -> None:
    async def tell() -> None:
        layer = get_channel_layer()
        await layer.group_send(EVERYONE, message)

    _announce(tell)


def _announce(tell: Callable[[], Coroutine[Any, Any, None]]) -> None:
    if (fault := _attempt(tell)) is not None:
        # What was remembered is forgotten after MCP_CACHE_SECONDS all the same.
        logger.warning("an announcement was lost", extra={"reason": str(fault)})


def _attempt(act: Callable[[], Coroutine[Any, Any, None]]) -> Exception | None:
    """Run something that needs Redis; why it failed, if it did."""
    try:
        with reaching_redis():
            async_to_sync(act)()
    except Unavailable as fault:
        return fault
    return None
