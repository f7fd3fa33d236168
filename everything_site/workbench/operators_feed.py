"""`/admin/room/feed`: the machine room of everybody, as an event stream for operators.

It is an ASGI application, as the machine room belongs to this process and not to a view. An operator is known
by the cookie of the admin. Whoever has signed out, or lost the permission, sees no more after
`RECHECK_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from channels.auth import AuthMiddlewareStack, get_user
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError
from django.http.request import split_domain_port, validate_host
from django.utils.module_loading import import_string

from mcp_app.conf import conf
from mcp_app.database import reaching_database
from mcp_app.exceptions import Unavailable
from mcp_app.runtime import Runtime
from mcp_app.transports.errors import HttpError, from_exception
from mcp_app.transports.responses import respond_error
from mcp_app.transports.room import send_room

PATH = "/admin/room/feed"

PATH_OF_ONE = "/try/room"
"""The path of the machine room of one user, which mcp_app serves."""

PERMISSION = "mcp_app.view_livesession"
"""What an operator needs to watch, as for the list of live sessions."""

RECHECK_SECONDS = 5.0
"""How often it is checked whether an operator may still watch."""

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


def with_operators_feed(others: Asgi, runtime: Runtime) -> Asgi:
    """The feed in front of the application for all other requests.

    Args:
        others: The application.
        runtime: This process's runtime.
    """
    feed = AuthMiddlewareStack(OperatorsFeed(runtime))

    def application(scope: MutableMapping[str, Any], receive: Any, send: Any) -> Awaitable[None]:
        chosen: Asgi = feed if scope["path"] == PATH else others
        return chosen(scope, receive, send)

    return application


class OperatorsFeed:
    """The event stream.

    Args:
        runtime: This process's runtime.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        try:
            headers = dict(scope["headers"])
            host, origin = (headers.get(name, b"").decode("latin-1") for name in (b"host", b"origin"))
            if not validate_host(split_domain_port(host)[0], conf.allowed_hosts):
                raise HttpError(421, "This host is not served here; see ALLOWED_HOSTS.")
            if origin and origin.partition("://")[2] != host:  # other ports send the cookie, too
                raise HttpError(403, "Only pages of this server may watch.")
            if scope["method"] != "GET":
                raise HttpError(405, "Use GET.", headers=((b"allow", b"GET"),))
            with reaching_database:
                may_watch = await _may_watch(scope)
            if not may_watch:
                raise HttpError(403, "Only operators who may view live sessions can watch.")
            await self._runtime.start()
            await send_room(self._runtime, None, send, _ended(scope, receive))
        except (HttpError, Unavailable) as error:
            refusal = from_exception(error)
            assert refusal is not None
            await respond_error(send, refusal)


async def _may_watch(scope: MutableMapping[str, Any]) -> bool:
    store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    session = store(scope["session"].session_key)  # as it is now, not as it was when the request arrived
    user = await get_user({**scope, "session": session})
    if not user.is_authenticated:
        return False
    found = await get_user_model().objects.filter(pk=user.pk, is_active=True, is_staff=True).afirst()
    return found is not None and await found.ahas_perm(PERMISSION)


async def _ended(scope: MutableMapping[str, Any], receive: Any) -> None:
    """Return when the viewer has left, or may see no more, or nobody can tell."""
    left = asyncio.ensure_future(_left(receive))
    try:
        with suppress(DatabaseError):
            while not left.done() and await _may_watch(scope):
                await asyncio.wait({left}, timeout=RECHECK_SECONDS)
    finally:
        left.cancel()


async def _left(receive: Any) -> None:
    """Return when the viewer has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
