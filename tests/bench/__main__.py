"""`python -m tests.bench`: calls per second, compared with baselines measured in the same run.

Every server gets a short slice of each round, in random order; a ratio is the median over all rounds of the
ratio of two slices, with its quartiles. Each client has its own token and session.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench import across_processes, parts, servers
from tests.bench.load import Plan
from tests.bench.slices import Contestant, compete, ratio
from tests.bench.traffic import SETTINGS, STATELESS_CALL, STATELESS_HEADERS, open_session
from tests.support import processes
from tests.support.client import sign_in
from tests.support.wire import ECHO, INITIALIZE

APPLICATION = "everything_site.asgi:application"


@contextlib.contextmanager
def everything(server: str, label: str, folder: Path, clients: int) -> Iterator[list[Contestant]]:
    """This project from a checkout, with sign-in and Redis, at both kinds of revision."""
    port = processes.free_port()
    base = f"http://localhost:{port}"
    with (
        processes.installation(base, DJANGO_SETTINGS_MODULE=SETTINGS) as installation,
        servers.serving(
            server, APPLICATION, installation.environment, port, installation.folder / "bench.log", folder
        ) as (_, pid),
    ):
        bearers = [{"Authorization": f"Bearer {token}"} for token in asyncio.run(_tokens(base, clients))]
        with_session = Plan(port, json.dumps(ECHO), [open_session(port, bearer) for bearer in bearers])
        opening = Plan(port, json.dumps(INITIALIZE), bearers)
        stateless = Plan(port, json.dumps(STATELESS_CALL), [bearer | STATELESS_HEADERS for bearer in bearers])
        yield [
            Contestant(f"{label}, 2025-11-25", [pid], [with_session]),
            Contestant(f"{label}, 2026-07-28", [pid], [stateless]),
            Contestant(f"{label}, sessions opened", [pid], [opening]),
        ]


async def _tokens(base: str, clients: int) -> list[str]:
    return [await sign_in(f"{base}/mcp") for _ in range(clients)]


@contextlib.contextmanager
def yardsticks(server: str, clients: int) -> Iterator[list[Contestant]]:
    """The bare echo, the floor and, where the server sends lifespan events, the SDK in memory."""
    bare: list[dict[str, str]] = [{} for _ in range(clients)]
    call = json.dumps(ECHO)
    with contextlib.ExitStack() as stack:
        made = []
        for name in ("echo", "floor"):
            port, pid = stack.enter_context(servers.serving(server, f"tests.bench.yardsticks:{name}"))
            made.append(Contestant(name, [pid], [Plan(port, call, bare)]))
        if server != "daphne":
            port, pid = stack.enter_context(servers.serving(server, "tests.bench.yardsticks:sdk"))
            sessions = [open_session(port, {}) for _ in range(clients)]
            made.append(Contestant("SDK, 2025-11-25", [pid], [Plan(port, call, sessions)]))
            stateless = Plan(port, json.dumps(STATELESS_CALL), [STATELESS_HEADERS] * clients)
            made.append(Contestant("SDK, 2026-07-28", [pid], [stateless]))
        yield made


def calls(options: argparse.Namespace, server: str, clients: int) -> list[dict[str, Any]]:
    """Quick calls to one process of each; a row per server, with ratios to the baselines."""
    checkouts = {"Everything Server": processes.ROOT}
    if options.against:
        checkouts["the other checkout"] = options.against
    with contextlib.ExitStack() as stack:
        measures = stack.enter_context(yardsticks(server, clients))
        ours = [
            stack.enter_context(everything(server, label, folder, clients))
            for label, folder in checkouts.items()
        ]
        contestants = [*measures, *(contestant for each in ours for contestant in each)]
        compete(contestants, options.rounds)
    others = dict(zip([c.name.partition(", ")[2] for c in ours[-1]], ours[-1], strict=True))
    rows = []
    for contestant in contestants:
        row: dict[str, Any] = {
            "server": server,
            "clients": clients,
            "what": contestant.name,
            "rate": round(sum(contestant.rates) / len(contestant.rates)),
            **{f"p{share}_ms": round(contestant.latency(share / 100), 2) for share in (50, 95, 99)},
            "cpu_us": round(contestant.processor_microseconds),
            "errors": contestant.errors,
        }
        revision = contestant.name.partition(", ")[2]
        for yardstick in measures:
            if contestant not in measures and yardstick.name in ("echo", "floor", f"SDK, {revision}"):
                row[f"of {yardstick.name.partition(',')[0]}"] = str(ratio(contestant, yardstick))
        if options.against and contestant in ours[0]:
            row["of the other checkout"] = str(ratio(contestant, others[revision]))
        rows.append(row)
    return rows


def show(row: dict[str, Any]) -> None:
    print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="slices per server (default 20)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64], help="default 1 8 64")
    parser.add_argument(
        "--servers",
        nargs="*",
        choices=servers.SERVERS,
        default=[s for s in servers.SERVERS if servers.available(s)],
        help="default: all that are installed",
    )
    parser.add_argument(
        "--against", type=Path, metavar="CHECKOUT", help="another checkout, measured in the same rounds"
    )
    parser.add_argument("--parts", action="store_true", help="measure only the parts of a call")
    parser.add_argument("--json", action="store_true", help="print all rows as JSON at the end")
    options = parser.parse_args()
    if options.against:
        options.against = options.against.resolve()
    rows: list[dict[str, Any]] = []

    def enter(row: dict[str, Any]) -> None:
        rows.append(row)
        if not options.json:
            show(row)

    if not options.parts:
        for server in options.servers:
            for clients in options.clients:
                for row in calls(options, server, clients):
                    enter(row)
        enter(across_processes.two_processes(options.rounds))
        enter(across_processes.wake_up_latency())
    for row in parts.measure():
        enter(row)
    if options.json:
        json.dump(rows, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
