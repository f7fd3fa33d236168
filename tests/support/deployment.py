"""A deployment as the README's picture has it: several Daphne processes behind a proxy without stickiness.

The fixtures are for the `conftest.py` of a folder: its tests have the processes in common, which end with the
last of them, as they would use the processor to the end of the run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support import proxy
from tests.support.processes import Installation, ServerProcess, free_port, installation


@dataclass
class Deployment:
    """A deployment: one address with several processes behind it, used in turn.

    `auth_url` is where people sign in: the same address, or that of the authorization server `auth`.
    """

    installation: Installation
    servers: list[ServerProcess]
    proxy: proxy.RoundRobinProxy
    auth_url: str
    auth: ServerProcess | None = None

    @property
    def url(self) -> str:
        return self.proxy.url

    @property
    def mcp_url(self) -> str:
        return f"{self.url}/mcp"

    @contextlib.contextmanager
    def signed_in_as(self, token: str) -> Iterator[str]:
        """A second address that adds a bearer token to every request, for clients that cannot sign in."""
        adding = proxy.RoundRobinProxy(
            [server.port for server in self.servers], add_headers={"Authorization": f"Bearer {token}"}
        )
        with proxy.running(adding):
            yield f"{adding.url}/mcp"


@contextlib.contextmanager
def deployment(processes: int = 2, *, separate: bool = False, **environment: str) -> Iterator[Deployment]:
    """Run `processes` Daphne processes of one installation, with an empty database, behind one address.

    With `separate` the authorization server is one more process, at an address of its own.
    """
    front = proxy.RoundRobinProxy([])
    auth_port = free_port()
    auth_url = f"http://localhost:{auth_port}" if separate else front.url
    if separate:
        environment = _separate(auth_url) | environment
    with installation(front.url, **environment) as made, contextlib.ExitStack() as stack:
        auth: ServerProcess | None = None
        if separate:
            made.run("register_resource_server")
            auth = ServerProcess(made, auth_port, application="everything_site.auth_asgi:application")
        servers = [ServerProcess(made) for _ in range(processes)]
        for server in (*servers, *([auth] if auth else ())):
            stack.callback(server.stop)
            server.start()
        front.ports = [server.port for server in servers]
        stack.enter_context(proxy.running(front))
        yield Deployment(made, servers, front, auth_url, auth)


def _separate(auth_url: str) -> dict[str, str]:
    return {
        "AUTH_MODE": "separate",
        "AUTH_SERVER_URL": auth_url,
        "INTROSPECTION_CLIENT_ID": "mcp-server",
        "INTROSPECTION_CLIENT_SECRET": "not guessed by anyone " * 2,
    }


@pytest.fixture(scope="package")
def integrated() -> Iterator[Deployment]:
    """Two MCP servers that are their own authorization server. No test restarts them."""
    with deployment(CONFORMANCE_FIXTURES="1") as made:
        yield made


@pytest.fixture(scope="package")
def separate() -> Iterator[Deployment]:
    """Two MCP servers with a separate authorization server (AUTH_MODE=separate). No test restarts them."""
    with deployment(separate=True, CONFORMANCE_FIXTURES="1") as made:
        yield made
