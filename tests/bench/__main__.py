"""`python -m tests.bench`: what the server does in a second, beside yardsticks measured in the same run."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import httpx2

from tests.bench import servers
from tests.bench.load import Figures, Plan
from tests.support import processes, proxy
from tests.support.client import sign_in
from tests.support.wire import ECHO, INITIALIZE, JSON_OR_STREAM

SETTINGS = "tests.bench.settings"

ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
STATELESS_CALL = ECHO | {"params": {"name": "echo", "arguments": {"message": "hello"}, "_meta": ENVELOPE}}
STATELESS_HEADERS = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "echo"}


class Bench:
    """One run: its options, and the rows it has measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.rows: list[dict[str, Any]] = []

    def measure(
        self,
        what: str,
        server: str,
        port: int,
        process_id: int,
        call: dict[str, Any],
        headers: list[dict[str, str]],
        yardsticks: dict[str, float] | None = None,
    ) -> Figures:
        """Load one server and enter a row, with ratios to what was measured before."""
        plan = Plan(port, "/mcp", [json.dumps(call)] * len(headers), headers, self.options.seconds)
        used = servers.processor_seconds(process_id)
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.load"],
            cwd=processes.ROOT,
            input=json.dumps(asdict(plan)),
            capture_output=True,
            text=True,
            timeout=self.options.seconds * 3 + 60,
            check=True,
        )
        figures = Figures(**json.loads(done.stdout))
        used = servers.processor_seconds(process_id) - used
        row = {
            "server": server,
            "what": what,
            "clients": len(headers),
            **{name: round(value, 2) for name, value in asdict(figures).items()},
            # The warm-up, a fifth of the time, uses the processor as well.
            "cpu_us": round(used / (figures.rate * self.options.seconds * 1.2) * 1e6),
        }
        for name, rate in (yardsticks or {}).items():
            row[f"of {name}"] = round(figures.rate / rate, 2)
        self.rows.append(row)
        self._print(row)
        return figures

    def enter(self, **row: Any) -> None:
        self.rows.append(row)
        self._print(row)

    def _print(self, row: dict[str, Any]) -> None:
        if not self.options.json:
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)


def open_session(port: int, headers: dict[str, str]) -> dict[str, str]:
    """Open a session and return the headers of its requests."""
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers | JSON_OR_STREAM) as http:
        answer = http.post("/mcp", json=INITIALIZE, headers={"Host": f"localhost:{port}"})
        answer.raise_for_status()
        return headers | {
            "Mcp-Session-Id": answer.headers["mcp-session-id"],
            "MCP-Protocol-Version": "2025-11-25",
        }


def yardsticks(bench: Bench, server: str, clients: int) -> dict[str, float]:
    """The bare echo, and the SDK's application in memory without sign-in: calls a second."""
    found = {}
    with servers.serving(server, "tests.bench.yardsticks:echo") as (port, pid):
        found["echo"] = bench.measure("bare ASGI echo", server, port, pid, ECHO, [{}] * clients).rate
    if server == "daphne":
        return found  # sends no lifespan events, without which the SDK's application does not start
    with servers.serving(server, "tests.bench.yardsticks:sdk") as (port, pid):
        sessions = [open_session(port, {}) for _ in range(clients)]
        what = "SDK, in memory, no sign-in, 2025-11-25"
        found["sdk"] = bench.measure(what, server, port, pid, ECHO, sessions).rate
        what = "SDK, in memory, no sign-in, 2026-07-28"
        headers = [STATELESS_HEADERS] * clients
        found["sdk 2026"] = bench.measure(what, server, port, pid, STATELESS_CALL, headers).rate
    return found


@contextlib.contextmanager
def everything(
    server: str, installation: processes.Installation, port: int
) -> Iterator[tuple[int, dict[str, str]]]:
    """This project, with sign-in and Redis; yields its process id and a bearer header."""
    with servers.serving(
        server,
        "everything_site.asgi:application",
        installation.environment,
        port,
        installation.folder / "bench.log",
    ) as (_, pid):
        token = asyncio.run(sign_in(f"http://localhost:{port}/mcp"))
        yield pid, {"Authorization": f"Bearer {token}"}


def calls(bench: Bench, server: str) -> None:
    """Small calls at one process, for each number of clients."""
    for clients in bench.options.clients:
        found = yardsticks(bench, server, clients)
        port = processes.free_port()
        with (
            processes.installation(
                f"http://localhost:{port}", DJANGO_SETTINGS_MODULE=SETTINGS
            ) as installation,
            everything(server, installation, port) as (pid, bearer),
        ):
            sessions = [open_session(port, bearer) for _ in range(clients)]
            held: dict[str, float] = {name: found[name] for name in ("echo", "sdk") if name in found}
            bench.measure("Everything Server, 2025-11-25", server, port, pid, ECHO, sessions, held)
            held = {"echo": found["echo"], **({"sdk": found["sdk 2026"]} if "sdk 2026" in found else {})}
            headers = [bearer | STATELESS_HEADERS] * clients
            bench.measure("Everything Server, 2026-07-28", server, port, pid, STATELESS_CALL, headers, held)
            headers = [bearer] * clients
            bench.measure("Everything Server, sessions opened", server, port, pid, INITIALIZE, headers, held)


def two_processes(bench: Bench) -> None:
    """The same calls at two processes of one installation, half of the clients each."""
    clients = max(bench.options.clients)
    port = processes.free_port()
    with (
        processes.installation(f"http://localhost:{port}", DJANGO_SETTINGS_MODULE=SETTINGS) as installation,
        contextlib.ExitStack() as stack,
    ):
        pid, bearer = stack.enter_context(everything("daphne", installation, port))
        other = processes.ServerProcess(installation)
        other.start()
        stack.callback(other.stop)
        bench.enter(what="two processes", note="see the rows: the first alone, then both at once")
        sessions = [open_session(port, bearer) for _ in range(clients)]
        alone = bench.measure("one Daphne process", "daphne", port, pid, ECHO, sessions).rate
        halves = [
            Plan(target, "/mcp", [json.dumps(ECHO)] * (clients // 2), half, bench.options.seconds)
            for target, half in (
                (port, sessions[::2]),
                (other.port, [h | {"Host": f"localhost:{port}"} for h in sessions[1::2]]),
            )
        ]
        loads = []
        for plan in halves:
            load = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.load"],
                cwd=processes.ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert load.stdin
            load.stdin.write(json.dumps(asdict(plan)))
            load.stdin.close()
            loads.append(load)
        rate = sum(json.loads(load.stdout.read())["rate"] for load in loads if load.stdout)
        for load in loads:
            load.wait(60)
        bench.enter(
            what="two Daphne processes",
            clients=clients,
            rate=round(rate, 2),
            **{"of one": round(rate / alone, 2)},
        )


async def wake_up_latency(bench: Bench, rounds: int = 100) -> None:
    """How long a message takes from one process's handler to a stream that another process holds."""
    port = processes.free_port()
    with (
        processes.installation(f"http://localhost:{port}", DJANGO_SETTINGS_MODULE=SETTINGS) as installation,
        contextlib.ExitStack() as stack,
    ):
        two = [processes.ServerProcess(installation) for _ in range(2)]
        for server in two:
            server.start()
            stack.callback(server.stop)
        stack.enter_context(proxy.running(proxy.RoundRobinProxy([server.port for server in two], port=port)))
        token = await sign_in(f"http://localhost:{port}/mcp")
        bearer = {"Authorization": f"Bearer {token}", "Host": f"localhost:{port}"}
        headers = open_session(two[0].port, bearer) | JSON_OR_STREAM
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
        latencies.sort()
        bench.enter(
            what="request at one process to message on a stream of another (ms)",
            rounds=rounds,
            p50=round(statistics.median(latencies), 2),
            p95=round(latencies[int(rounds * 0.95)], 2),
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="for each measurement (default 5)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64], help="default 1 8 64")
    parser.add_argument(
        "--servers",
        nargs="+",
        choices=servers.SERVERS,
        default=[s for s in servers.SERVERS if servers.available(s)],
    )
    parser.add_argument("--json", action="store_true", help="print all rows as JSON")
    bench = Bench(parser.parse_args())
    for server in bench.options.servers:
        calls(bench, server)
    two_processes(bench)
    asyncio.run(wake_up_latency(bench))
    if bench.options.json:
        print(json.dumps(bench.rows, indent=2))


if __name__ == "__main__":
    main()
