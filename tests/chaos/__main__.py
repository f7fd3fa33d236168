"""`python -m tests.chaos`: kills processes while many clients work, and counts what was lost.

In addition, processes may stand still for longer than a lease (--stops), Redis may be far away (--latency),
and some processes may be of other releases (--releases).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from mcp.shared.exceptions import MCPDeprecationWarning

from tests.chaos import releases
from tests.chaos.audit import is_written_by
from tests.chaos.clients import ChaosClient
from tests.chaos.disasters import Disasters
from tests.chaos.ledger import Ledger
from tests.chaos.listeners import Listener
from tests.chaos.tasks import TaskClient
from tests.support import processes, proxy, redis_relay
from tests.support.client import sign_in

PERSONS = ("alice", "bob", "carol", "dave")


def titles_of_notes(installation: processes.Installation) -> list[str]:
    """The title of every note in the database."""
    script = (
        "from everything_site.demo.models import Note; print(*Note.objects.values_list('title', flat=True))"
    )
    return installation.run("shell", "--verbosity", "0", "-c", script).stdout.split()


def earlier_release(options: argparse.Namespace, stack: contextlib.ExitStack) -> Path | None:
    """A folder with the code of an earlier release, or None; says which one it is."""
    commit = options.earlier or releases.last_release()
    if commit is None:
        print("SKIPPED: no earlier release, as there is no tag here; see --earlier", file=sys.stderr)
        return None
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="everything-earlier-")))
    releases.export(commit, folder)
    print(f"one process runs {commit}", file=sys.stderr)
    return folder


async def run(options: argparse.Namespace) -> Ledger:
    ledger = Ledger()
    rng = random.Random(options.seed)
    port = processes.free_port()
    with contextlib.ExitStack() as stack:
        base_uri = f"http://localhost:{port}"
        audit = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="everything-audit-"))) / "audit.log"
        )
        installation = stack.enter_context(
            processes.installation(
                base_uri,
                CONFORMANCE_FIXTURES="1",
                DJANGO_SETTINGS_MODULE="tests.chaos.settings",
                AUDIT_LOG=str(audit),
            )
        )
        redis_url = installation.environment["REDIS_URL"]
        if options.latency:
            relay = stack.enter_context(
                redis_relay.running(redis_url, delay=options.latency / 1000, jitter=options.jitter)
            )
            installation.environment["REDIS_URL"] = relay.url
        servers = [processes.ServerProcess(installation) for _ in range(options.processes)]
        if options.releases:
            servers[0].application = releases.NEXT_RELEASE
            if (folder := earlier_release(options, stack)) is not None:
                servers[-1].folder, servers[-1].is_forked = folder, False
        for server in servers:
            server.start()
            stack.callback(server.kill)
        # Whether people stay signed in during a deployment is not tested here.
        signing_in = [server.port for server in servers if server.folder == processes.ROOT]
        balancer = stack.enter_context(proxy.running(proxy.RoundRobinProxy(signing_in, port=port)))
        url = f"{balancer.url}/mcp"
        tokens = [await sign_in(url, person) for person in PERSONS]
        ledger.audit.secrets.update(tokens)
        ledger.is_audited = is_written_by(server.folder for server in servers)
        balancer.ports = [server.port for server in servers]
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
        happening = Disasters(servers, balancer, redis_url, rng, ledger)
        kinds_of_disaster: list[tuple[Callable[[float], Coroutine[Any, Any, None]], float]] = [
            (happening.kill, options.kill_every),
            (happening.cut, options.cut_every),
            (happening.stop, options.stop_every if options.stops else 0),
        ]
        disasters = [asyncio.create_task(one(every)) for one, every in kinds_of_disaster if every]
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
        ledger.check_audit(audit.read_text())
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
    every: dict[str, Any] = {"type": float, "metavar": "SECONDS"}
    parser.add_argument(
        "--kill-every", default=4, **every, help="between SIGKILLs, or 0 for none (default 4)"
    )
    parser.add_argument(
        "--cut-every", default=9, **every, help="between cuts of Redis, or 0 for none (default 9)"
    )
    parser.add_argument(
        "--stops", action="store_true", help="also suspend processes for longer than a lease lasts"
    )
    parser.add_argument("--stop-every", default=6, **every, help="between two such pauses (default 6)")
    parser.add_argument(
        "--latency", type=float, default=0, metavar="MS", help="how far away Redis is (default 0)"
    )
    parser.add_argument(
        "--jitter",
        type=float,
        default=0.5,
        metavar="FRACTION",
        help="by how much the latency varies, up and down (default 0.5)",
    )
    parser.add_argument(
        "--releases",
        action="store_true",
        help="one process runs a later release, which adds to all that is in Redis, and one the last release "
        "that has a tag, if there is one",
    )
    parser.add_argument("--earlier", metavar="COMMIT", help="the earlier release, instead of the last tag")
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
