"""Two processes that share a Redis, and their sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from mcp_app.coordination.layer import channel_layer
from mcp_app.coordination.leases import Leases
from tests.mcp_app.transports.support import Process, Session
from tests.support.layers import lossy_layers


@pytest.fixture(autouse=True)
def channel_layers() -> Iterator[None]:
    with lossy_layers():
        yield


@pytest.fixture(autouse=True)
def mcp_settings(settings: Any, channel_layers: None) -> Any:
    """Tokens without a database, and a small server."""
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.NamedTokens"
    settings.MCP_SERVER = "tests.support.demonstration.build"
    settings.MCP_MAX_SESSIONS = 1_000_000  # the sessions of all tests, which share a Redis
    settings.MCP_REQUEST_RATE = 1_000_000  # their requests
    settings.MCP_STREAM_AFTER_SECONDS = 3.0  # a quick call becomes no stream, even on a busy machine
    settings.MCP_ALLOWED_ORIGINS = ("https://app.example",)
    return settings


@pytest.fixture
def streams_soon(mcp_settings: Any) -> None:
    """A call that says nothing becomes a stream soon."""
    mcp_settings.MCP_STREAM_AFTER_SECONDS = 0.05


@pytest.fixture
def running_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes have reached Redis for longer than a lease: what has expired is lost."""
    monkeypatch.setattr(Leases, "can_detect_death", True)


@pytest.fixture
async def start_process(mcp_settings: Any) -> AsyncIterator[Callable[[], Process]]:
    """Creates processes; they are stopped after the test."""
    processes: list[Process] = []

    def start() -> Process:
        processes.append(Process())
        return processes[-1]

    yield start
    for process in processes:
        await process.stop()
    await channel_layer().flush()


@pytest.fixture
def one(start_process: Callable[[], Process]) -> Process:
    return start_process()


@pytest.fixture
def other(start_process: Callable[[], Process]) -> Process:
    """A second process, which shares nothing with the first but Redis."""
    return start_process()


@pytest.fixture
async def session(one: Process) -> Session:
    """A session of alice, opened at the first process."""
    return await Session.open(one)
