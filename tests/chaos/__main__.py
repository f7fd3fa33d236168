"""`python -m tests.chaos`: kills processes while many clients work, and counts what was lost."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import random
import sys
import time
import warnings
from typing import Any

import redis
from mcp.shared.exceptions import MCPDeprecationWarning

from tests.chaos.clients import ChaosClient
from tests.chaos.ledger import Ledger
from tests.chaos.listeners import Listener
from tests.chaos.tasks import TaskClient
from tests.support import processes, proxy
from tests.support.client import sign_in

PERSONS = ("alice", "bob", "carol", "dave")


async def kill_now_and_then(
    servers: list[processes.ServerProcess], rng: random.Random, every: float, ledger: Ledger
) -> None:
    """End a process by SIGKILL and start it again, every few seconds, never all at once."""
    while True:
        await asyncio.sleep(rng.uniform(0.5, 1.5) * every)
        victim = rng.choice(servers)
        await asyncio.to_thread(victim.kill)
        ledger.kills += 1
        await asyncio.sleep(rng.uniform(0.1, 1.0))
        await asyncio.to_thread(victim.start)


async def cut_now_and_then(url: str, rng: random.Random, every: float, ledger: Ledger) -> None:
    """Close every connection to Redis, as a failing network does."""
    with redis.Redis.from_url(url) as connection:
        while True:
            await asyncio.sleep(rng.uniform(0.5, 1.5) * every)
            for kind in ("normal", "pubsub"):
                await asyncio.to_thread(connection.client_kill_filter, _type=kind, skipme=True)
            ledger.cuts += 1


def titles_of_notes(installation: processes.Installation) -> list[str]:
    """The title of every note in the database."""
    script = (
        "from everything_site.demo.models import Note; print(*Note.objects.values_list('title', flat=True))"
    )
    return installation.run("shell", "--verbosity", "0", "-c", script).stdout.split()


async def run(options: argparse.Namespace) -> Ledger:
    ledger = Ledger()
    rng = random.Random(options.seed)
    port = processes.free_port()
    with contextlib.ExitStack() as stack:
        base_uri = f"http://localhost:{port}"
        installation = stack.enter_context(
            processes.installation(
                base_uri, CONFORMANCE_FIXTURES="1", DJANGO_SETTINGS_MODULE="tests.chaos.settings"
            )
        )
        servers = [processes.ServerProcess(installation) for _ in range(options.processes)]
        for server in servers:
            server.start()
            stack.callback(server.kill)
        balancer = stack.enter_context(
            proxy.running(proxy.RoundRobinProxy([server.port for server in servers], port=port))
        )
        url = f"{balancer.url}/mcp"
        tokens = [await sign_in(url, person) for person in PERSONS]
        kinds = (
            [ChaosClient] * options.clients
            + [TaskClient] * options.task_clients
            + [Listener] * options.listeners
        )
        clients: list[ChaosClient | TaskClient | Listener] = [
            kind(url, tokens[number % len(tokens)], ledger, random.Random(rng.random()))
            for number, kind in enumerate(kinds)
        ]
        until = time.monotonic() + options.seconds
        redis_url = installation.environment["REDIS_URL"]
        disasters = [
            asyncio.create_task(kill_now_and_then(servers, rng, options.kill_every, ledger)),
            asyncio.create_task(cut_now_and_then(redis_url, rng, options.cut_every, ledger)),
        ]
        working = asyncio.gather(*(client.run(lambda: time.monotonic() > until) for client in clients))
        try:
            while not working.done():
                await asyncio.wait({working}, timeout=5)
                print(
                    f"  {max(0, until - time.monotonic()):4.0f} s left, {ledger.answered} answered",
                    file=sys.stderr,
                )
                if time.monotonic() > until:
                    for disaster in disasters:
                        disaster.cancel()
            await working
        finally:
            for disaster in disasters:
                disaster.cancel()
            await asyncio.gather(*disasters, return_exceptions=True)
        ledger.count_notes(titles_of_notes(installation))
        ledger.settle(line for server in servers for line in server.log.splitlines())
        if options.keep_logs:
            for server in servers:
                print(server.log, file=sys.stderr)
    return ledger


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long the clients work (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random choices (default 1)")
    parser.add_argument("--processes", type=int, default=3, help="server processes (default 3)")
    parser.add_argument("--clients", type=int, default=50, help="clients (default 50)")
    parser.add_argument("--task-clients", type=int, default=10, help="clients that create tasks (default 10)")
    parser.add_argument("--listeners", type=int, default=10, help="clients that follow a note (default 10)")
    parser.add_argument("--kill-every", type=float, default=4, help="seconds between SIGKILLs (default 4)")
    parser.add_argument(
        "--cut-every", type=float, default=9, help="seconds between cuts of Redis (default 9)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--keep-logs", action="store_true", help="print the logs of the servers")
    options = parser.parse_args()
    logging.getLogger("mcp").addHandler(logging.NullHandler())  # its tracebacks of killed servers
    warnings.simplefilter("ignore", MCPDeprecationWarning)  # the clients use what is deprecated, too
    ledger = asyncio.run(run(options))
    report: dict[str, Any] = ledger.report()
    if options.json:
        print(json.dumps(report | {"details": ledger.details}, indent=2))
    else:
        for name, value in report.items():
            print(f"{name:<32}{value}")
        for detail in ledger.details[:20]:
            print(f"  {detail}")
    return 0 if ledger.is_clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
