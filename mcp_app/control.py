"""Ending sessions and withdrawing tokens, for operators and other apps: no server needs to run.

Each function has an asynchronous version with the prefix `a`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from asgiref.sync import async_to_sync
from django.dispatch import Signal
from redis.asyncio import Redis

from mcp_app.auth.tokens import WITHDRAWN, grant_place, owner, token_place
from mcp_app.coordination.connection import in_portions
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.outside import connected, only_logged
from mcp_app.exceptions import Store, Unavailable
from mcp_app.ids import short_id
from mcp_app.sessions import keys
from mcp_app.sessions.store import SESSION_ENDED, erase

__all__ = [
    "aend_session",
    "aend_sessions",
    "aend_sessions_of",
    "awithdraw_tokens",
    "end_session",
    "end_sessions",
    "end_sessions_of",
    "sessions_ended",
    "withdraw_tokens",
]

logger = logging.getLogger(__name__)

sessions_ended = Signal()
"""An operator has ended sessions. Receivers get `sessions`, their ids as they are logged, and `by`, who ended
them."""

_AT_ONCE = 16
"""How many sessions are ended concurrently: fewer than there are connections to Redis."""


def end_session(session_id: str, by: str) -> bool:
    """End a session as its client's DELETE would: its calls and its streams end, in all processes.

    Args:
        session_id: The full session id.
        by: Who ends it, for the log.

    Returns:
        False if it did not exist.

    Raises:
        Unavailable: Redis cannot be reached, and the session may still exist.
    """
    return async_to_sync(aend_session)(session_id, by)


async def aend_session(session_id: str, by: str) -> bool:
    """`end_session`, for coroutines."""
    return (await aend_sessions([session_id], by))[session_id]


def end_sessions(session_ids: Iterable[str], by: str) -> dict[str, bool]:
    """`end_session` for many sessions, which takes little longer than for one.

    Args:
        session_ids: The full session ids.
        by: Who ends them, for the log.

    Returns:
        Whether each existed. If Redis becomes unavailable meanwhile, the sessions that may still exist are
            missing.

    Raises:
        Unavailable: Redis cannot be reached, and all of them may still exist.
    """
    return async_to_sync(aend_sessions)(session_ids, by)


async def aend_sessions(session_ids: Iterable[str], by: str) -> dict[str, bool]:
    """`end_sessions`, for coroutines."""
    async with connected(is_confirmed=True) as (redis, directory):
        ended = await _end(redis, directory, session_ids, confirm=True)
    for session_id in ended:
        logger.info("session ended by an operator", extra={"session": short_id(session_id), "by": by})
    if ended:
        sessions_ended.send_robust(
            sender=None, sessions=[short_id(session_id) for session_id in ended], by=by
        )
    return ended


async def _end(
    redis: Redis, directory: Directory, session_ids: Iterable[str], *, confirm: bool = False
) -> dict[str, bool]:
    slots = asyncio.Semaphore(_AT_ONCE)
    ended: dict[str, bool] = {}

    async def end(session_id: str) -> None:
        async with slots:
            end_of, addresses = await erase(redis, session_id)
            ended[session_id] = end_of is not None
            message = {"type": SESSION_ENDED, "session": session_id}
            await directory.bus.send_all(addresses, message, confirm=confirm)

    outcomes = await asyncio.gather(*map(end, set(session_ids)), return_exceptions=True)
    for error in filter(None, outcomes):
        if not (ended and isinstance(error, Unavailable)):
            raise error
    return ended


def end_sessions_of(access: Iterable[tuple[str, str, str]]) -> None:
    """End the sessions of users with clients that no longer have access to their accounts.

    If Redis cannot be reached, that is logged: no token opens these sessions, which end at their maximum age.

    Args:
        access: The client id, issuer and subject of the tokens of each.
    """
    async_to_sync(aend_sessions_of)(access)


async def aend_sessions_of(access: Iterable[tuple[str, str, str]]) -> None:
    """`end_sessions_of`, for coroutines."""
    owners = {owner(*each) for each in access}
    with only_logged("sessions of withdrawn access may remain: Redis unavailable at %s"):
        async with connected() as (redis, directory):
            indexes = await in_portions(
                redis, owners, lambda pipe, of: pipe.zrange(keys.sessions_of(of), 0, -1)
            )
            readable = [index for _, index in indexes if not isinstance(index, Exception)]
            session_ids = {session_id for index in readable for session_id in index}
            found = await in_portions(
                redis, session_ids, lambda pipe, session_id: pipe.hget(keys.record(session_id), "owner")
            )
            theirs = [session_id for session_id, its_owner in found if its_owner in owners]
            ended = await _end(redis, directory, theirs)
            if len(ended) < len(theirs) or len(readable) < len(owners):
                raise Unavailable(Store.SESSIONS, "not all of them could be ended")


def withdraw_tokens(checksums: Sequence[str], grants: Sequence[str] = ()) -> None:
    """Drop access tokens from the caches of all processes, and end requests and streams that use them.

    When it returns, they have done so, unless one has not answered for half a second.

    If Redis cannot be reached, that is logged: cached tokens are verified again after `MCP_CACHE_SECONDS`.

    Args:
        checksums: SHA-256 of the tokens, in hexadecimal.
        grants: The consents, as in the claim `grant`, whose calls to end: a call may outlive its token.
    """
    async_to_sync(awithdraw_tokens)(checksums, grants)


async def awithdraw_tokens(checksums: Sequence[str], grants: Sequence[str] = ()) -> None:
    """`withdraw_tokens`, for coroutines."""
    message = {"type": WITHDRAWN, "checksums": list(checksums), "grants": list(grants)}
    places = [*map(token_place, checksums), *map(grant_place, grants)]
    with only_logged("could not notify other processes: Redis unavailable at %s"):
        async with connected(is_confirmed=True) as (_, directory):
            await directory.publish_to_all(message, places)
