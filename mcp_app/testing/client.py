"""The official client, signed in, on the engine in this process."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx2
import mcp
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.provider import AccessToken
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from mcp_app.access import Person, person_of
from mcp_app.conf import conf
from mcp_app.routing import mcp_application
from mcp_app.runtime import Runtime
from mcp_app.server import Factory
from mcp_app.testing.environment import HOST, environment
from mcp_app.testing.revisions import asking_for
from mcp_app.testing.transport import ProcessesTransport
from mcp_app.transports.request import Asgi, Receive, Scope, Send

if TYPE_CHECKING:  # so that this can be imported before Django has loaded its apps
    from django.contrib.auth.base_user import AbstractBaseUser

_SECONDS = 60.0
"""How long a test waits for a response, or for the next part of one."""


class Client(mcp.Client):
    """The SDK's client, connected to your server while `async with Client(…) as client` is open.

    Everything but the socket is as in production: each request has a token and a session in Redis, and is
    served at `/mcp` of one of the processes, in turn. Tokens need no authorization server.

    Async functions see the transaction of a Django `TestCase`. Functions that are not async run in threads of
    their own, as they always do, and do not: test those with `TransactionTestCase`. With pytest-django, tests
    need the fixture `transactional_db`, or the mark `django_db(transaction=True)`.

    Args:
        build: The function that builds the server; that of `MCP_SERVER` if None.
        user: Who is signed in: a user of this project, or the subject of another issuer's tokens.
        scopes: The scopes of the token, besides those that every request needs.
        processes: How many processes serve. They share Redis and nothing else, so a server that keeps
            something in memory fails with two.
        revision: The revision of MCP, such as "2025-11-25"; the newest that both know if None.
        options: Further arguments of `mcp.Client`, such as `elicitation_callback`.

    Raises:
        ValueError: There is no such revision.
        ImproperlyConfigured: When it is opened: there is no Redis server, or the server is refused.
    """

    def __init__(
        self,
        build: Factory | None = None,
        *,
        user: AbstractBaseUser | str = "tester",
        scopes: Sequence[str] = (),
        processes: int = 1,
        revision: str | None = None,
        **options: Any,
    ) -> None:
        self._site = _Site(build, user, scopes, processes)
        transport = self._site.transport()
        if revision in HANDSHAKE_PROTOCOL_VERSIONS:
            super().__init__(asking_for(revision, transport), mode="legacy", **options)
        elif revision is None or revision in MODERN_PROTOCOL_VERSIONS:
            super().__init__(transport, mode="auto", **options)
        else:
            raise ValueError(f"{revision} is no revision of MCP")

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        """Close. What the test has raised is raised as it is, and not in the group of the SDK's tasks."""
        await super().__aexit__(None, None, None)

    async def stop(self, process: int) -> None:
        """End a process, as a deployment does without a grace period; the others go on.

        Its connections are cut, and what runs there is handed over: the client resumes at another process,
        which runs a call again if that is safe, and otherwise answers with the error `worker_lost`.

        Args:
            process: Its number, counted from 0.
        """
        await self._site.stop(process)


class _OneToken:
    """A verifier that knows one token."""

    def __init__(self, person: Person, name: str, scopes: Sequence[str]) -> None:
        self.text = secrets.token_urlsafe()
        self._token = AccessToken(
            token=self.text,
            client_id="test-client",
            scopes=[*conf.required_scopes, *scopes],
            subject=person.subject,
            claims={"iss": person.issuer, "username": name},
        )

    async def verify_token(self, token: str) -> AccessToken | None:
        return self._token if token == self.text else None


class _Site:
    """The processes of one client."""

    def __init__(
        self, build: Factory | None, user: AbstractBaseUser | str, scopes: Sequence[str], processes: int
    ) -> None:
        self._build = build
        self._user = user
        self._scopes = scopes
        self._count = processes
        self._runtimes: list[tuple[Runtime, Asgi]] = []
        self._processes: ProcessesTransport

    @asynccontextmanager
    async def transport(self) -> AsyncIterator[tuple[Any, Any]]:
        """Start the processes, and connect to them."""
        async with AsyncExitStack() as stack:
            environment.enter()
            stack.callback(environment.leave)
            person, name = await sync_to_async(_person)(self._user)
            token = _OneToken(person, name, self._scopes)
            for _ in range(self._count):
                runtime = Runtime(factory=self._build, verifier=token)
                stack.push_async_callback(runtime.stop)
                self._runtimes.append((runtime, mcp_application(_not_found, runtime=runtime)))
            self._processes = ProcessesTransport(
                [app for _, app in self._runtimes],
                shares_thread=await sync_to_async(is_in_transaction)(),
            )
            http = await stack.enter_async_context(
                httpx2.AsyncClient(
                    transport=self._processes,
                    headers={"Authorization": f"Bearer {token.text}"},
                    timeout=httpx2.Timeout(_SECONDS),
                )
            )
            path = urlsplit(conf.resource_url).path or "/mcp"
            streams = streamable_http_client(f"http://{HOST}{path}", http_client=http)
            yield await stack.enter_async_context(streams)

    async def stop(self, process: int) -> None:
        runtime, app = self._runtimes[process]
        await self._processes.remove(app)
        if runtime.drain is not None:  # it has started
            await runtime.calls.drain()
        await runtime.stop()


def _person(user: AbstractBaseUser | str) -> tuple[Person, str]:
    """The person that a test names, with a name for display.

    Raises:
        ImproperlyConfigured: The user of this project is no person to MCP clients.
    """
    if isinstance(user, str):
        return Person(conf.issuer, user), user
    if (person := person_of(user)) is None:
        raise ImproperlyConfigured(f"MCP_USER_TO_PERSON returns None for {user}.")
    return person, user.get_username()


def is_in_transaction() -> bool:
    """Whether this thread, a test's, is in a transaction: other threads do not see what it has written."""
    return any(connection.in_atomic_block for connection in connections.all(initialized_only=True))


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Instead of Django, whose pages no MCP client asks for."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})
