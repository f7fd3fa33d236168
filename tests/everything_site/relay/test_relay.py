"""The relay itself: whom it gives up when more clients come than it takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp_types import INTERNAL_ERROR

from everything_site.relay import relay
from everything_site.relay.relay import Relay
from everything_site.relay.workers import Workers
from tests.support.processes import free_port
from tests.support.waiting import eventually

LIMIT = 5


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """The port of a relay that takes few connections, and whose processes have not started."""
    monkeypatch.setattr(relay, "MAX_CONNECTIONS", LIMIT)
    chosen = free_port()
    serving = asyncio.create_task(Relay(Workers(2, {}), chosen).serve("127.0.0.1"))
    yield chosen
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def connected(port: int, sends: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    found: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def connects() -> bool:
        with contextlib.suppress(OSError):
            found.append(await asyncio.open_connection("127.0.0.1", port))
        return bool(found)

    await eventually(connects)
    found[0][1].write(sends)
    await found[0][1].drain()
    return found[0]


async def asked(port: int) -> bytes:
    """The first line of the answer to a request that the relay answers itself."""
    head = f"GET /-/processes HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
    reader, writer = await connected(port, head.encode())
    async with asyncio.timeout(10):
        line = await reader.readline()
    writer.close()
    return line


async def test_clients_that_begin_requests_and_send_none_keep_nobody_else_out(port: int) -> None:
    idle = [await connected(port, b"GET / HTTP/1.1\r\n") for _ in range(LIMIT)]
    assert b" 200 " in await asked(port)
    async with asyncio.timeout(10):
        assert await idle[0][0].read() == b"", "the oldest was given up"
    for _, writer in idle:
        writer.close()


async def test_requests_that_have_arrived_are_not_given_up_and_the_next_one_gets_503(port: int) -> None:
    waiting = [await connected(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(LIMIT)]

    async def is_full() -> bool:
        return b" 503 " in await asked(port)

    await eventually(is_full)
    for _, writer in waiting:
        writer.close()


async def refused(port: int, target: str) -> Any:
    """The JSON with which the relay refuses a request for a process that has not started."""
    head = f"POST {target} HTTP/1.1\r\nHost: localhost:{port}\r\nX-Try-Process: p1\r\n\r\n"
    reader, writer = await connected(port, head.encode())
    async with asyncio.timeout(10):
        status, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert status.startswith(b"HTTP/1.1 503 ")
    return json.loads(body)


@pytest.mark.parametrize("target", ["/mcp", "/mcp/", "/sse", "/message?sessionId=x"])
async def test_a_client_of_mcp_is_refused_with_an_error_of_json_rpc(port: int, target: str) -> None:
    refusal = await refused(port, target)
    error = {"code": INTERNAL_ERROR, "message": "p1 is dead."}
    assert refusal == {"jsonrpc": "2.0", "id": None, "error": error}


async def test_for_any_other_path_the_error_of_the_relay_is_plain(port: int) -> None:
    assert await refused(port, "/tour/") == {"error": "p1 is dead."}
