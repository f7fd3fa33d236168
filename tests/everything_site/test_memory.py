"""The memory of a server process that receives large bodies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.mcp_app.transports.support import LATEST, headers_for, initialize, tool_call
from tests.support.processes import ServerProcess, installation, needs_proc

pytestmark = [pytest.mark.processes, needs_proc]

MEGABYTE = 1_000_000
BODY = json.dumps(tool_call("echo", {"message": "x" * (3 * MEGABYTE)})).encode()
WARM_UP, REQUESTS = 16, 64
MAY_GROW = 100 * MEGABYTE
"""As much as the bodies that are held at one time may come to; all bodies are twice as much."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    # Without a limit of the rate, since large bodies use it up.
    settings = {"MCP_TOKEN_VERIFIER": "tests.support.tokens.NamedTokens", "MCP_REQUEST_RATE": 0}
    with installation(
        "http://localhost:3232",
        DJANGO_SETTINGS_MODULE="tests.processes.settings",
        TEST_SETTINGS=json.dumps(settings),
    ) as made:
        process = ServerProcess(made, is_forked=False)
        try:
            process.start()
            yield process
        finally:
            process.kill()


def resident_bytes(server: ServerProcess) -> int:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize(
    ("body", "status", "at_once"), [(BODY, 200, 8), (BODY[:-1], 400, 1)], ids=["good", "refused"]
)
async def test_the_memory_of_large_bodies_is_freed(
    server: ServerProcess, body: bytes, status: int, at_once: int
) -> None:
    async with httpx2.AsyncClient(headers=headers_for(), timeout=30) as http:
        opened = await http.post(f"{server.url}/mcp", json=initialize())
        http.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        http.headers["mcp-protocol-version"] = LATEST

        async def send(times: int) -> None:
            for _ in range(times):
                answer = await http.post(f"{server.url}/mcp", content=body)
                assert answer.status_code == status

        async def send_all(number: int) -> None:
            await asyncio.gather(*(send(number // at_once) for _ in range(at_once)))

        await send_all(WARM_UP)
        before = resident_bytes(server)
        await send_all(REQUESTS)
        assert resident_bytes(server) - before < MAY_GROW
