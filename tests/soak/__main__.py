"""`python -m tests.soak`: abandons sessions and keeps streams open; all counts must return to their start."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import time
from typing import Any

import httpx2
import redis

from tests.bench.servers import resident_kib
from tests.soak import COUNTS, MAX_SECONDS
from tests.support import processes
from tests.support.client import sign_in
from tests.support.wire import ECHO, INITIALIZE, JSON_OR_STREAM

STREAMED = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {
        "name": "longRunningOperation",
        "arguments": {"duration": 0.01, "steps": 2},
        "_meta": {"progressToken": 1},
    },
}

AT_ONCE = 50
KEYS_MARGIN = 2
"""What a process says of itself, such as how many streams it has, may be there or not."""

MEMORY_MARGIN = 1.05
"""A second round may not hold noticeably more than the first: what leaks grows with every round."""

TASKS_MARGIN = 3
"""Tasks may differ by those of the request that counts them."""


async def open_session(http: httpx2.AsyncClient) -> str:
    answer = await http.post("/mcp", json=INITIALIZE, headers=JSON_OR_STREAM)
    answer.raise_for_status()
    return answer.headers["mcp-session-id"]


async def abandon_sessions(http: httpx2.AsyncClient, number: int) -> None:
    """Open sessions and forget them: each with a call, a streamed call and a stream, none with a DELETE."""

    async def one(room: asyncio.Semaphore) -> None:
        async with room:
            session = {"Mcp-Session-Id": await open_session(http), "MCP-Protocol-Version": "2025-11-25"}
            for call in (ECHO, STREAMED):
                (await http.post("/mcp", json=call, headers=JSON_OR_STREAM | session)).raise_for_status()
            async with http.stream(
                "GET", "/mcp", headers={"Accept": "text/event-stream"} | session
            ) as stream:
                stream.raise_for_status()

    room = asyncio.Semaphore(AT_ONCE)
    await asyncio.gather(*(one(room) for _ in range(number)))


async def hold_streams(http: httpx2.AsyncClient, number: int, look: Any) -> Any:
    """Open idle GET streams, look at the process while they are open, and close them."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(number):
            headers = {"Accept": "text/event-stream", "Mcp-Session-Id": await open_session(http)}
            stream = await stack.enter_async_context(http.stream("GET", "/mcp", headers=headers))
            stream.raise_for_status()
        return await look()


async def run(options: argparse.Namespace) -> dict[str, Any]:
    port = processes.free_port()
    with contextlib.ExitStack() as stack:
        installation = stack.enter_context(
            processes.installation(f"http://localhost:{port}", DJANGO_SETTINGS_MODULE="tests.soak.settings")
        )
        server = processes.ServerProcess(
            installation, port, application="tests.soak.application:application", is_forked=False
        )
        server.start()
        stack.callback(server.stop)
        assert server.process
        pid = server.process.pid
        store = stack.enter_context(redis.Redis.from_url(installation.environment["REDIS_URL"]))
        token = await sign_in(f"http://localhost:{port}/mcp")
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=AT_ONCE)
        async with httpx2.AsyncClient(
            base_url=f"http://localhost:{port}",
            headers={"Authorization": f"Bearer {token}"},
            limits=limits,
            timeout=30,
        ) as http:

            async def look() -> dict[str, int]:
                counts = (await http.get(COUNTS)).json()
                connections = sum(1 for each in store.client_list() if each["name"] != "soak")
                return {
                    "redis keys": store.dbsize(),
                    "redis connections": connections,
                    "channels": len(store.pubsub_channels()),
                    "tasks": counts["tasks"],
                    "resident KiB": resident_kib(pid),
                }

            async def look_when_gone() -> dict[str, int]:
                deadline = time.monotonic() + MAX_SECONDS * 2
                while time.monotonic() < deadline:
                    now = await look()
                    if now["redis keys"] <= KEYS_MARGIN:
                        break
                    await asyncio.sleep(1)
                return now

            # What is loaded once, and the memory that one round needs, is there after the first round;
            # the second must leave nothing more.
            rounds = []
            for _ in range(options.rounds):
                await abandon_sessions(http, options.sessions)
                sessions = await look()
                gone = await look_when_gone()
                streams = await hold_streams(http, options.streams, look)
                rounds.append(
                    {
                        "sessions": sessions,
                        "gone": gone,
                        "streams": streams,
                        "closed": await look_when_gone(),
                    }
                )
    first, last = rounds[0], rounds[-1]
    opened = first["streams"]["resident KiB"] - first["gone"]["resident KiB"]
    return {
        "rounds": rounds,
        "KiB a stream": round(opened / max(1, options.streams), 1),
        "Redis connections of the streams": first["streams"]["redis connections"]
        - first["gone"]["redis connections"],
        "memory of the last round beside the first": round(
            last["closed"]["resident KiB"] / first["closed"]["resident KiB"], 3
        ),
        "clean": (
            all(then[moment]["redis keys"] <= KEYS_MARGIN for then in rounds for moment in ("gone", "closed"))
            and last["closed"]["channels"] == first["gone"]["channels"]
            and last["closed"]["tasks"] <= first["gone"]["tasks"] + TASKS_MARGIN
            and last["closed"]["resident KiB"] <= first["closed"]["resident KiB"] * MEMORY_MARGIN
        ),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument(
        "--sessions", type=int, default=2000, help="sessions to open and abandon (default 2000)"
    )
    parser.add_argument(
        "--streams", type=int, default=1000, help="idle streams on one process (default 1000)"
    )
    parser.add_argument("--rounds", type=int, default=2, help="how often to repeat both (default 2)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # both ends of every stream are files
    result = asyncio.run(run(options))
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for number, counts in enumerate(result.pop("rounds"), 1):
            for when, values in counts.items():
                print(f"round {number}  {when:<10}{values}")
        for name, value in result.items():
            print(f"{name:<44}{value}")
    return 0 if result["clean"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
