"""Where the microseconds of one call go, measured inside one process without a socket.

It runs in a process of its own, whose environment is that of an installation. Variants take turns, as the
servers do; what is measured is processor time, so waiting for Redis costs nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

from tests.bench import servers
from tests.bench.traffic import SETTINGS, STATELESS_CALL, STATELESS_HEADERS, open_session
from tests.support import processes
from tests.support.client import sign_in
from tests.support.wire import ECHO

CALLS = 50
ROUNDS = 60
COUNTED = 10
TIMEOUT = 300.0

Variant = Callable[[], Awaitable[Any]]


def measure() -> list[dict[str, Any]]:
    """The parts of a call, a row each, in microseconds of processor time."""
    port = processes.free_port()
    base = f"http://localhost:{port}"
    with processes.installation(base, DJANGO_SETTINGS_MODULE=SETTINGS) as installation:
        with servers.serving("daphne", "everything_site.asgi:application", installation.environment, port):
            bearer = {"Authorization": f"Bearer {asyncio.run(sign_in(f'{base}/mcp'))}"}
            headers = open_session(port, bearer) | {"Host": f"localhost:{port}"}
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.parts"],
            cwd=processes.ROOT,
            env=installation.environment,
            input=json.dumps(headers),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the log lines, which belong to what is measured
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
    return json.loads(done.stdout)


async def _parts(headers: dict[str, str]) -> list[dict[str, Any]]:
    from django.test import override_settings

    from everything_site import asgi
    from mcp_app.auth.tokens import checksum
    from mcp_app.conf import conf
    from tests.bench.yardsticks import run_by_sdk

    runtime = asgi.runtime
    session_id = headers["Mcp-Session-Id"]
    bearer = {name: headers[name] for name in ("Authorization", "Host")}
    whole = _request(asgi.application, headers, ECHO)

    token = checksum(headers["Authorization"].removeprefix("Bearer "))

    async def cold_token() -> None:
        runtime.tokens.forget([token])
        await whole()

    async def cold_session() -> None:
        runtime.sessions.forget(session_id)
        await whole()

    variants: dict[str, Variant] = {
        "whole": whole,
        "the SDK's run": lambda: run_by_sdk(runtime.server, ECHO),
        "whole, 2026-07-28": _request(asgi.application, bearer | STATELESS_HEADERS, STATELESS_CALL),
        "whole, token not in memory": cold_token,
        "whole, session not in memory": cold_session,
    }
    await whole()
    found = await _in_turns(variants)
    with override_settings(MCP_CACHE_SECONDS=0):
        assert conf.cache_seconds == 0
        found |= await _in_turns({"whole, neither token nor session in memory": whole})
    found["own part: whole less the SDK's run"] = found["whole"] - found["the SDK's run"]
    for what in ("token", "session"):
        found[f"a {what} that is not in memory"] = found[f"whole, {what} not in memory"] - found["whole"]
    rows: list[dict[str, Any]] = [{"part": name, "cpu_us": round(us, 1)} for name, us in found.items()]
    for row in rows:
        if row["part"] in ("whole", "the SDK's run", "whole, 2026-07-28"):
            row["python_calls"] = await count_python_calls(variants[row["part"]])
    return rows


async def count_python_calls(call: Variant, within: str = "") -> int:
    """How many Python functions run for a call, including resumed coroutines; the least of several calls.

    Unlike the time it takes, this hardly depends on the machine and on what else it does.

    Args:
        call: The call.
        within: The folder whose functions are counted; all functions if empty.
    """
    counts: list[int] = []

    def count(frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(within):
            counts[-1] += 1

    for _ in range(COUNTED):
        counts.append(0)
        sys.setprofile(count)
        try:
            await call()
        finally:
            sys.setprofile(None)
    return min(counts)


async def _in_turns(variants: dict[str, Variant]) -> dict[str, float]:
    """The median microseconds of each variant."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(ROUNDS + 1):
        for name, call in random.sample(list(variants.items()), len(variants)):
            began = time.process_time()
            for _ in range(CALLS):
                await call()
            if number:
                found[name].append((time.process_time() - began) / CALLS * 1e6)
    return {name: statistics.median(values) for name, values in found.items()}


def _request(application: Any, headers: dict[str, str], message: dict[str, Any]) -> Variant:
    body = json.dumps(message).encode()
    given = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Content-Length": str(len(body)),
        **headers,
    }
    lines = [(name.lower().encode(), value.encode()) for name, value in given.items()]

    async def call() -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/mcp",
            "raw_path": b"/mcp",
            "root_path": "",
            "query_string": b"",
            "headers": list(lines),
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        statuses = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(event: dict[str, Any]) -> None:
            if event["type"] == "http.response.start":
                statuses.append(event["status"])

        await application(scope, receive, send)
        assert statuses == [200]

    return call


if __name__ == "__main__":
    json.dump(asyncio.run(_parts(json.load(sys.stdin))), sys.stdout)
