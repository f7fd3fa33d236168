"""A deployment as the README's picture has it: several Daphne processes behind a proxy without stickiness."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support import proxy
from tests.support.processes import Installation, ServerProcess, free_port, installation


@dataclass
class Deployment:
    """What clients meet: one address, and processes behind it that take turns."""

    installation: Installation
    servers: list[ServerProcess]
    proxy: proxy.RoundRobinProxy

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
def deployment(processes: int = 2, **environment: str) -> Iterator[Deployment]:
    """Run `processes` Daphne processes of one installation, with an empty database, behind one address."""
    port = free_port()
    with installation(f"http://localhost:{port}", **environment) as made, contextlib.ExitStack() as stack:
        servers = [ServerProcess(made) for _ in range(processes)]
        for server in servers:
            stack.callback(server.stop)
            server.start()
        front = proxy.RoundRobinProxy([server.port for server in servers], port=port)
        stack.enter_context(proxy.running(front))
        yield Deployment(made, servers, front)
