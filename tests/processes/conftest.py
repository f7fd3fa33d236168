"""One installation for all of these tests: two processes that nobody ends, and two that may be ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from tests.processes.support import (
    APPLICATION,
    LEASE_SECONDS,
    MAX_STREAM_BYTES,
    SETTINGS,
    Diary,
    Identity,
    Person,
    Site,
    start,
    with_settings,
)
from tests.support import proxy
from tests.support.processes import ServerProcess, free_port, installation

PEOPLE = {"alice": "alice", "alice elsewhere": "alice", "bob": "bob"}
"""Who has signed in: alice with two clients, bob with one."""


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.processes)  # every test of this folder


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    """Two processes behind a proxy, with three people signed in."""
    front = proxy.RoundRobinProxy([], port=free_port())
    with ExitStack() as stack:
        made = stack.enter_context(
            installation(front.url, CONFORMANCE_FIXTURES="1", DJANGO_SETTINGS_MODULE=SETTINGS)
        )
        made = with_settings(
            made,
            MCP_LEASE_SECONDS=LEASE_SECONDS,
            MCP_MAX_STREAM_BYTES=MAX_STREAM_BYTES,
            OAUTH_REFRESH_GRACE_SECONDS=0,
        )
        servers = [ServerProcess(made, application=APPLICATION) for _ in range(2)]
        for server in servers:
            stack.callback(server.kill)
        start(*servers)
        front.ports = [server.port for server in servers]
        stack.enter_context(proxy.running(front))
        opened = Site(made, servers, front)
        with ThreadPoolExecutor(1) as thread:  # which has no event loop yet
            opened.people = thread.submit(asyncio.run, _sign_in(opened)).result()
        yield opened


async def _sign_in(site: Site) -> dict[str, Identity]:
    return {name: await site.sign_in(person) for name, person in PEOPLE.items()}


@pytest.fixture(scope="package")
def _fleet(site: Site) -> Iterator[Site]:
    made = with_settings(site.installation, MCP_SHUTDOWN_GRACE_SECONDS=2)
    servers = [ServerProcess(made, application=APPLICATION) for _ in range(2)]
    front = proxy.RoundRobinProxy([server.port for server in servers])
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.kill)
        stack.enter_context(proxy.running(front))
        yield Site(made, servers, front, site.people)


@pytest.fixture
def fleet(_fleet: Site) -> Site:
    """Two more processes of the same installation, which a test may end: they are replaced for the next."""
    for server in _fleet.servers:
        if server.process is not None and server.process.poll() is not None:
            server.process = None
    start(*(server for server in _fleet.servers if server.process is None))
    return _fleet


@pytest.fixture
async def client_of(site: Site) -> AsyncIterator[Callable[[Identity], Person]]:
    """Makes clients for tokens; their connections are closed after the test."""
    async with AsyncExitStack() as stack:

        def make(identity: Identity) -> Person:
            person = Person(identity)
            stack.push_async_callback(person.leave)
            return person

        yield make


@pytest.fixture
def alice(site: Site, client_of: Callable[[Identity], Person]) -> Person:
    return client_of(site.people["alice"])


@pytest.fixture
def alice_elsewhere(site: Site, client_of: Callable[[Identity], Person]) -> Person:
    """The same person with another OAuth client."""
    return client_of(site.people["alice elsewhere"])


@pytest.fixture
def bob(site: Site, client_of: Callable[[Identity], Person]) -> Person:
    return client_of(site.people["bob"])


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path / "diary")
