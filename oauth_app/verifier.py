"""Verifies bearer tokens for an MCP endpoint of the same project, by a look-up in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from django.db import InterfaceError, OperationalError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from mcp.server.auth.provider import AccessToken as VerifiedToken

from oauth_app import resources, token_query
from oauth_app.conf import conf
from oauth_app.models import AccessToken
from oauth_app.scopes import scopes
from oauth_app.secrets import checksum
from oauth_app.signals import access_withdrawn
from oauth_app.token_query import Found

KEPT_SECONDS = 5.0
"""How long a connection is kept open. Short, so that a process finds the new primary after a failover, and
that one with few connections (`DATABASE_CONNECTIONS`) has it for other things too."""


class DatabaseTokenVerifier:
    """A `mcp.server.auth.provider.TokenVerifier` that makes one indexed query.

    One query runs at a time, in a thread that keeps its connection for some seconds. What is asked meanwhile
    is answered together by the next query; so a slow one delays the others once, however many they are.

    It has three more members, so that an MCP server of the same project needs no further settings.
    """

    subjects_are_users = True
    """Whether the subject of a token is the primary key of a user of this project, as a string."""

    access_withdrawn = access_withdrawn
    """The signal that tells of tokens and consents which end before their time."""

    @staticmethod
    def issued_scopes() -> Collection[str]:
        """The scopes that its tokens may have. A system check compares them with those of the tools."""
        return scopes()

    def __init__(self) -> None:
        self._waiting: list[tuple[str, asyncio.Future[Found | None]]] = []
        self._is_asking = False
        self._thread: ThreadPoolExecutor | None = None
        self._release: asyncio.TimerHandle | None = None

    async def verify_token(self, token: str) -> VerifiedToken | None:
        answer: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((checksum(token), answer))
        if not self._is_asking:
            self._ask()
        return _verified(token, await answer)

    def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "token look-up")
            self._release = loop.call_later(KEPT_SECONDS, self._close)
        self._is_asking = True
        asked = self._waiting[: token_query.AT_ONCE]
        del self._waiting[: token_query.AT_ONCE]
        asking: asyncio.Future[dict[str, Found]]
        try:
            asking = loop.run_in_executor(self._thread, _look_up, [key for key, _ in asked])
        except RuntimeError as error:  # the thread cannot be started
            asking = loop.create_future()
            asking.set_exception(error)
        asking.add_done_callback(partial(self._answer, asked))

    def _answer(
        self,
        asked: list[tuple[str, asyncio.Future[Found | None]]],
        done: asyncio.Future[dict[str, Found]],
    ) -> None:
        error = done.exception()
        for key, answer in asked:
            if answer.done():
                continue  # whoever asked has left
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(done.result().get(key))
        self._is_asking = False
        if self._waiting:
            self._ask()

    def _close(self) -> Future[None] | None:
        """End the thread when it has done what it has to do, and close its connection."""
        if self._thread is None:
            return None
        thread, self._thread = self._thread, None
        closed = thread.submit(_close_connection)
        thread.shutdown(wait=False)
        return closed

    async def aclose(self) -> None:
        """Close the connection. The next look-up opens another one."""
        if self._release is not None:
            self._release.cancel()
        closed = self._close()
        if closed is not None:
            await asyncio.wrap_future(closed)


def find(token: str) -> VerifiedToken | None:
    """The token, if it is valid and was issued for exactly this resource."""
    key = checksum(token)
    return _verified(token, _look_up([key]).get(key))


def _look_up(checksums: Collection[str]) -> dict[str, Found]:
    """What the database knows of tokens, over this thread's connection.

    Raises:
        django.db.Error: The database cannot be used. A connection that was kept may have broken, so a new one
            has been tried.
    """
    connection = _connection()
    was_kept = connection.connection is not None
    while True:
        try:
            return {found.token_checksum: found for found in token_query.look_up(checksums)}
        except Exception as error:
            if connection.in_atomic_block:
                raise
            connection.close()
            if not was_kept or not isinstance(error, OperationalError | InterfaceError):
                raise
            was_kept = False


def _connection() -> BaseDatabaseWrapper:
    return connections[router.db_for_read(AccessToken)]


def _close_connection() -> None:
    _connection().close()


def _verified(token: str, found: Found | None) -> VerifiedToken | None:
    if found is None or found.expires <= timezone.now():
        return None
    if not any(resources.is_resource(url, conf.resource_url) for url in found.resource):
        return None
    return VerifiedToken(
        token=token,
        client_id=found.client_id,
        scopes=found.scope.split(),
        expires_at=int(found.expires.timestamp()),
        resource=conf.resource_url,
        subject=str(found.user_id),
        claims={
            "iss": conf.issuer,
            "username": found.username,
            "client_name": found.client_name,
            "grant": str(found.family),
        },
    )
