"""`python -m tests.rolling`: replaces every process while clients work, and counts what failed.

nginx and HAProxy run with the configurations of `deploy/`, but without any retries: a request that reaches a
process which does not answer it fails. Each process is replaced by one at another address, which is ready
before the old one gets SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import time
from typing import Any

import httpx2

from tests.rolling import proxies, servers
from tests.rolling.clients import Client, Ledger, PageClient, RefreshingClient, SessionClient, StatelessClient
from tests.support import processes
from tests.support.browser import Browser
from tests.support.client import Storage, oauth_provider, sign_in

EXIT_SECONDS = 60.0
START_SECONDS = 120.0
"""While the clients keep the machine busy."""

UNLIMITED = {
    "MCP_REQUEST_RATE": "1000000000",
    "MCP_MAX_CALLS": "10000",
    "MCP_MAX_STREAMS": "10000",
    "OAUTH_MAX_REFRESHES": "1000",
}


async def refreshing(url: str, ledger: Ledger, rng: random.Random) -> RefreshingClient:
    """A client that has just signed in."""
    storage = Storage()
    async with (
        Browser("alice") as browser,
        httpx2.AsyncClient(auth=oauth_provider(f"{url}/mcp", browser, storage), timeout=30) as http,
    ):
        await http.post(f"{url}/mcp", json={})
    assert storage.tokens is not None
    assert storage.tokens.refresh_token is not None
    assert storage.client is not None
    assert storage.client.client_id is not None
    return RefreshingClient(
        url,
        storage.tokens.access_token,
        ledger,
        rng,
        client_id=storage.client.client_id,
        refresh_token=storage.tokens.refresh_token,
    )


def is_bug(line: str) -> bool:
    """Whether a line of a log tells of something that should not happen."""
    # channels_redis reports that a process at its end no longer waits for its unsubscribing.
    return line.startswith("Traceback") or ('"level":"error"' in line and "channels_redis" not in line)


async def replace_all(
    fleet: list[Any], spare: list[int], proxy: proxies.Proxy, make: Any, pause: float
) -> list[str]:
    """Replace each process by a new one; return what the old ones wrote that says of a bug."""
    bugs = []
    for place, old in enumerate(fleet):
        new = make(spare.pop(0))
        await asyncio.to_thread(new.start)
        fleet[place] = new
        await asyncio.to_thread(proxy.tell, [server.port for server in fleet])
        old.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(old.process.wait, EXIT_SECONDS)
        spare.append(old.port)
        bugs += [line for line in old.log.splitlines() if is_bug(line)]
        print(f"  {old.port} replaced by {new.port}", file=sys.stderr)
        await asyncio.sleep(pause)
    return bugs


async def run(options: argparse.Namespace, name_of_proxy: str, name_of_server: str) -> dict[str, Any]:
    ledger = Ledger()
    rng = random.Random(options.seed)
    port = processes.free_port()
    url = f"http://localhost:{port}"
    with contextlib.ExitStack() as stack:
        environment = UNLIMITED | {
            "CONFORMANCE_FIXTURES": "1",
            "MCP_LAME_DUCK_SECONDS": str(options.lame_duck),
        }
        made = stack.enter_context(processes.installation(url, **environment))
        proxy = proxies.PROXIES[name_of_proxy](made.folder, port, options.retries)

        def make(at: int) -> processes.ServerProcess:
            more: dict[str, Any] = {} if name_of_server == "daphne" else {"workers": options.workers}
            if proxy.uses_sockets:
                more["socket"] = servers.socket_of(made.folder, at)
            server = servers.SERVERS[name_of_server](
                made, port=at, is_forked=name_of_server == "daphne", patience=START_SECONDS, **more
            )
            stack.callback(server.kill)
            return server

        ports = [processes.free_port() for _ in range(2 * options.processes)]
        fleet = [make(at) for at in ports[: options.processes]]
        for server in fleet:
            server.start()
        spare = ports[options.processes :]
        known = ports if name_of_proxy == "haproxy" else ports[: options.processes]
        stack.enter_context(proxies.running(proxy, known))
        await until_served(url, times=4 * len(ports))
        tokens = [await sign_in(f"{url}/mcp", person) for person in ("alice", "bob", "carol")]
        clients: list[Client] = [await refreshing(url, ledger, rng) for _ in range(2)]
        kinds = ((SessionClient, options.sessions), (StatelessClient, options.clients), (PageClient, 2))
        for kind, count in kinds:
            clients += [
                kind(url, tokens[number % len(tokens)], ledger, random.Random(rng.random()))
                for number in range(count)
            ]
        over = False
        working = asyncio.gather(*(client.run(lambda: over) for client in clients))
        began = time.monotonic()
        await asyncio.sleep(options.pause)
        bugs = []
        try:
            for _ in range(options.rounds):
                bugs += await replace_all(fleet, spare, proxy, make, options.pause)
        finally:
            over = True
            await working
        bugs += [line for server in fleet for line in server.log.splitlines() if is_bug(line)]
    for failure, count in ledger.failures.most_common(10):
        print(f"  {count} x {failure}", file=sys.stderr)
    for bug in bugs[:10]:
        print(f"  {bug[:300]}", file=sys.stderr)
    workers = f" --workers {options.workers}" if options.workers > 1 and name_of_server != "daphne" else ""
    return {
        "proxy": name_of_proxy,
        "server": name_of_server + workers,
        "replaced": options.rounds * options.processes,
        **ledger.report(),
        "bugs": len(bugs),
        "seconds": round(time.monotonic() - began),
    }


async def until_served(url: str, times: int) -> None:
    """Return when the proxy answers from a process each time: at its start, HAProxy takes all for living."""
    served = 0
    async with httpx2.AsyncClient() as http, asyncio.timeout(60):
        while served < times:
            with contextlib.suppress(httpx2.HTTPError):
                served = served + 1 if (await http.get(f"{url}/readyz")).status_code == 200 else 0
            await asyncio.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rolling", description=__doc__)
    parser.add_argument("--proxies", nargs="+", choices=proxies.PROXIES, default=list(proxies.PROXIES))
    parser.add_argument("--servers", nargs="+", choices=servers.SERVERS, default=["daphne"])
    parser.add_argument("--workers", type=int, default=1, help="of uvicorn and granian (default 1)")
    parser.add_argument("--processes", type=int, default=3, help="at different ports (default 3)")
    parser.add_argument("--rounds", type=int, default=1, help="how often all are replaced (default 1)")
    parser.add_argument("--lame-duck", type=float, default=10, help="MCP_LAME_DUCK_SECONDS (default 10)")
    parser.add_argument("--pause", type=float, default=1, help="seconds between two (default 1)")
    parser.add_argument("--sessions", type=int, default=8, help="clients of 2025-11-25 (default 8)")
    parser.add_argument("--clients", type=int, default=4, help="clients of 2026-07-28 (default 4)")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices (default 1)")
    parser.add_argument("--retries", action="store_true", help="leave the retries of the configurations on")
    options = parser.parse_args()
    rows = []
    for proxy in options.proxies:
        for server in options.servers:
            if not (proxies.is_installed(proxy) and servers.is_installed(server)):
                print(f"SKIPPED: {proxy} or {server} is not installed", file=sys.stderr)
                continue
            print(f"{server} behind {proxy}", file=sys.stderr)
            rows.append(asyncio.run(run(options, proxy, server)))
    print_table(rows)
    faults = [row[name] for row in rows for name in ("failures", "sessions lost", "bugs")]
    return 0 if rows and not any(faults) else 1


def print_table(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        cells = (f"{value:,}" if isinstance(value, int) else str(value) for value in row.values())
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    raise SystemExit(main())
