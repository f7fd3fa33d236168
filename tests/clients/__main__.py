"""Runs real clients against two alternating server processes, without a language model.

Each client is installed at a pinned version into its own environment, signs in as a user would if
it can, and is tested: calls, requests from the server, broken connections, the death of the process that
runs a call. tests/clients/clients.toml describes what each client is expected to pass. The results and
docs/clients.md are written from the outcome. Exits with 1 on any difference from the
description.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.clients import catalogue, environments, page, running
from tests.clients.catalogue import Client
from tests.clients.running import Result
from tests.support import node
from tests.support.deployment import Deployment


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.clients",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", action="store_true", help="print the names of the clients and exit")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run only these clients")
    parser.add_argument("--install", action="store_true", help="install the environments and exit")
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of a table")
    parser.add_argument(
        "--parallel", type=int, choices=(1, 2), default=1, help="how many clients run at once (default: 1)"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=environments.default_cache(),
        metavar="FOLDER",
        help="where to keep the environments and logs (default: %(default)s)",
    )
    parser.add_argument(
        "--no-write", action="store_true", help="do not update the results and docs/clients.md"
    )
    options = parser.parse_args(arguments)
    described = catalogue.load()
    if unknown := set(options.only or ()) - {client.name for client in described}:
        parser.error(f"no such client: {', '.join(sorted(unknown))}; --list names them")
    chosen = [client for client in described if not options.only or client.name in options.only]
    if options.list:
        for client in chosen:
            print(f"{client.name:24} {client.title} {client.version}")
        return 0
    # An end from outside ends the servers and the clients as well.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if any(client.driver for client in chosen) and node.node() is None:
        node.install()
    runnable = [client for client in chosen if client.driver]
    if options.install:
        installed = [_install(client, options.cache) for client in runnable]
        return 0 if all(installed) else 1
    results = asyncio.run(run(runnable, options.cache, options.parallel))
    if not options.no_write:
        page.write(described, results)
    print(
        json.dumps([asdict(result) for result in results], indent=2)
        if options.json
        else table(chosen, results)
    )
    return 1 if surprises(runnable, results) else 0


async def run(clients: Sequence[Client], cache: Path, parallel: int) -> list[Result]:
    """Run the clients in all their modes, on `parallel` sets of servers; the order is that of the clients."""
    waiting: asyncio.Queue[Client] = asyncio.Queue()
    for client in clients:
        waiting.put_nowait(client)
    found: list[Result] = []

    async def work() -> None:
        with contextlib.ExitStack() as stack:
            usual = await asyncio.to_thread(stack.enter_context, running.site())
            while not waiting.empty():
                found.extend(await _run_one(waiting.get_nowait(), cache, usual))
                tell("", f"{waiting.qsize()} to go")

    async with asyncio.TaskGroup() as workers:
        for _ in range(min(parallel, len(clients))):
            workers.create_task(work())
    order = [client.name for client in clients]
    return sorted(found, key=lambda result: order.index(result.client))


async def _run_one(client: Client, cache: Path, usual: Deployment) -> list[Result]:
    found = []
    try:
        environment = await asyncio.to_thread(_prepare, client, cache)
    except environments.InstallError as error:
        return [Result(client.name, mode.name, client.version, error=str(error)) for mode in client.modes]
    for mode in client.modes:
        with contextlib.ExitStack() as stack:
            at = usual
            if mode.environment:
                at = await asyncio.to_thread(stack.enter_context, running.site(**mode.environment))
            log = environment / f"{mode.name}.log"
            log.unlink(missing_ok=True)

            def say(line: str, name: str = f"{client.name} {mode.name}") -> None:
                tell(name, line)

            result = await running.run(client, mode, at, environment, log, say)
            for surprise in result.surprises(mode):
                say(f"UNEXPECTED: {surprise} (log: {log})")
            say(f"{len(result.passed)} passed, {len(result.failed)} failed, {result.seconds:.0f} s")
            found.append(result)
    return found


def _prepare(client: Client, cache: Path) -> Path:
    tell(client.name, f"environment with {' '.join(client.install)}")
    return environments.prepare(client, cache)


def _install(client: Client, cache: Path) -> bool:
    try:
        _prepare(client, cache)
    except environments.InstallError as error:
        tell(client.name, f"FAILED: {error}")
        return False
    return True


_BEGAN = time.monotonic()


def tell(name: str, line: str) -> None:
    """Report the progress of the run on standard error."""
    print(f"{time.monotonic() - _BEGAN:6.1f} s  {name:36} {line}", file=sys.stderr, flush=True)


def surprises(clients: Sequence[Client], results: Sequence[Result]) -> list[str]:
    """What differs from the description, over all results."""
    modes = {(client.name, mode.name): mode for client in clients for mode in client.modes}
    return [
        f"{result.client} {result.mode}: {surprise}"
        for result in results
        for surprise in result.surprises(modes[result.client, result.mode])
    ]


def table(clients: Sequence[Client], results: Sequence[Result]) -> str:
    """What was found, for a terminal: a line for each client and mode, then what is unexpected."""
    lines = [
        f"{result.client:24} {result.version:10} {result.mode:12} {result.revision:11}"
        f"{len(result.passed):3} passed, {len(result.failed):2} failed {result.seconds:6.1f} s"
        for result in results
    ]
    lines += [
        f"{client.name:24} {client.version:10} not run: {client.not_run}"
        for client in clients
        if client.not_run
    ]
    unexpected = surprises(clients, results)
    return "\n".join([*lines, "", *unexpected, f"{len(unexpected)} unexpected"])


if __name__ == "__main__":
    sys.exit(main())
