"""What two processes of one installation do together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import time
from typing import Any

import httpx2

from tests.bench.load import Plan
from tests.bench.slices import Contestant, compete, ratio
from tests.bench.traffic import SETTINGS, open_session
from tests.support import processes, proxy
from tests.support.client import sign_in
from tests.support.wire import ECHO, JSON_OR_STREAM

CLIENTS = 16


@contextlib.contextmanager
def _two_processes() -> Any:
    """Two Daphne processes of one installation, behind a proxy; yields them and a bearer header."""
    port = processes.free_port()
    with (
        processes.installation(f"http://localhost:{port}", DJANGO_SETTINGS_MODULE=SETTINGS) as installation,
        contextlib.ExitStack() as stack,
    ):
        two = [processes.ServerProcess(installation, is_forked=False) for _ in range(2)]
        for server in two:
            server.start()
            stack.callback(server.stop)
        stack.enter_context(proxy.running(proxy.RoundRobinProxy([server.port for server in two], port=port)))
        token = asyncio.run(sign_in(f"http://localhost:{port}/mcp"))
        yield two, {"Authorization": f"Bearer {token}", "Host": f"localhost:{port}"}


def two_processes(rounds: int) -> dict[str, Any]:
    """How many calls two processes answer for each call of one, with the same number of clients."""
    with _two_processes() as (two, bearer):
        sessions = [open_session(two[0].port, bearer) for _ in range(CLIENTS)]
        call = json.dumps(ECHO)
        one = Contestant("one process", [two[0].process.pid], [Plan(two[0].port, call, sessions)])
        both = Contestant(
            "two processes",
            [server.process.pid for server in two],
            [Plan(server.port, call, sessions[number::2]) for number, server in enumerate(two)],
        )
        compete([one, both], rounds, pinned=False)
    return {"what": "two Daphne processes", "clients": CLIENTS, "of one": str(ratio(both, one))}


def wake_up_latency(rounds: int = 100) -> dict[str, Any]:
    """How long a message takes from one process's handler to a stream that another process holds."""
    with _two_processes() as (two, bearer):
        latencies = sorted(asyncio.run(_wake_ups(two, bearer, rounds)))
    return {
        "what": "request at one process to message on a stream of another",
        "p50_ms": round(statistics.median(latencies), 2),
        "p95_ms": round(latencies[int(rounds * 0.95)], 2),
    }


async def _wake_ups(two: list[processes.ServerProcess], bearer: dict[str, str], rounds: int) -> list[float]:
    headers = await asyncio.to_thread(open_session, two[0].port, bearer) | JSON_OR_STREAM
    set_level = {"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": {"level": "debug"}}
    latencies = []
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        http.stream("GET", f"{two[0].url}/mcp") as stream,
    ):
        lines = stream.aiter_lines()
        for _ in range(rounds):
            posted = time.perf_counter()
            sending = asyncio.create_task(http.post(f"{two[1].url}/mcp", json=set_level))
            async for line in lines:
                if "Logging level set to" in line:
                    latencies.append((time.perf_counter() - posted) * 1000)
                    break
            (await sending).raise_for_status()
    return latencies
