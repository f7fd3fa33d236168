"""`parsing`: no input of a stranger, and none of a person, stops a process for long."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tests.abuse.inputs import PERSON, Input, answers, bodies, forms, heads, parameters
from tests.abuse.probe import Probe, processor_seconds
from tests.abuse.site import SECONDS, Answer, Site, read_answer, serving

BOUND = 0.25
"""The longest time, in seconds, that an input may stop the event loop."""


@dataclass
class Row:
    """What one input did to one server."""

    server: str
    group: str
    name: str
    bytes: int
    status: int
    stops_ms: list[float]
    processor_ms: float
    has_crashed: bool = False
    bound_ms: float = BOUND * 1000

    @property
    def fault(self) -> str:
        """What is wrong, if anything. One long stop of several may be the machine's."""
        if self.has_crashed:
            return "ANSWERED WITH 500"
        return "" if sorted(self.stops_ms)[-2:][0] <= self.bound_ms else "PASSES THE BOUND"

    def report(self) -> dict[str, Any]:
        return {
            "server": self.server,
            "group": self.group,
            "input": self.name,
            "bytes": self.bytes,
            "status": self.status,
            "stop_ms": max(self.stops_ms),
            "cpu_ms": self.processor_ms,
            "fault": self.fault,
        }


def send(site: Site, request: bytes) -> Answer:
    """Send a request and return the answer, which may come before everything is sent."""
    with socket.create_connection(("127.0.0.1", site.ports[0]), timeout=SECONDS) as connection:

        def write() -> None:
            with contextlib.suppress(OSError):
                connection.sendall(request)

        writer = threading.Thread(target=write)
        writer.start()
        answer = read_answer(connection)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        writer.join()
        return answer


def measure(site: Site, probe: Probe, each: Input, repeat: int) -> Row:
    """Send an input several times, and a few more times if it seems to take long."""
    stops: list[float] = []
    used: list[float] = []
    size = 0
    while len(stops) < repeat or (max(stops) > BOUND and len(stops) < repeat + 2):
        request = each.make(site)
        before = processor_seconds(site.pids[0])
        with probe.watching():
            answer, size = send(site, request), len(request)
        stops.append(probe.longest)
        used.append(processor_seconds(site.pids[0]) - before)
    milliseconds = [round(stop * 1000, 1) for stop in stops]
    cpu = round(statistics.median(used) * 1000)
    # What the server software answers by itself has no such header.
    has_crashed = answer.status == 500 and "x-request-id" in answer.headers
    return Row(site.server, each.group, each.name, size, answer.status, milliseconds, cpu, has_crashed)


def tools_of(site: Site) -> list[dict[str, Any]]:
    """The tools that the site lists to the attacker."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    listed = site.ask(site.post(body, *site.open_session(PERSON), person=PERSON)).message()
    tools: list[dict[str, Any]] = listed["result"]["tools"]
    return tools


GROUPS: dict[str, Callable[[Site], Iterator[Input]]] = {
    "form": lambda site: forms.inputs(),
    "head": lambda site: heads.inputs(),
    "body": lambda site: bodies.inputs(),
    "parameters": lambda site: parameters.inputs(tools_of(site)),
    "answer": lambda site: answers.inputs(),
}


def run(server: str, groups: list[str], only: str, repeat: int, every: int) -> Iterator[Row]:
    """Send the inputs of the groups to a process of their own.

    Args:
        server: One of `tests.bench.servers`.
        groups: Some of `GROUPS`.
        only: A regular expression that their names match.
        repeat: How often each is sent.
        every: Send only one of so many.
    """
    environment = {"CONFORMANCE_FIXTURES": "1", "DJANGO_SETTINGS_MODULE": "tests.abuse.settings"}
    with serving(server, 1, (PERSON,), **environment) as site:
        probe = Probe(site.ports[0], site.pids[0])
        probe.measure_baseline()
        for group in groups:
            for each in islice(GROUPS[group](site), 0, None, every):
                if re.search(only, each.name):
                    yield measure(site, probe, each, repeat)


def main(options: Any) -> int:
    rows = []
    for server in options.servers:
        began = time.monotonic()
        for row in run(server, options.groups, options.only, options.repeat, options.every):
            rows.append(row)
            if options.verbose or row.fault:
                show(row)
        print(f"{server}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    if options.json:
        print(json.dumps([row.report() for row in rows], indent=2))
    else:
        summary(rows, options.worst)
    return 0 if rows and not any(row.fault for row in rows) else 1


def show(row: Row) -> None:
    print(
        f"{row.server:<8} {row.group:<10} {row.name:<52.52} {row.bytes:>9,} B {row.status:>4} "
        f"{max(row.stops_ms):>8.1f} ms {row.processor_ms:>6} ms CPU  {row.fault}",
        file=sys.stderr,
        flush=True,
    )


def summary(rows: list[Row], worst: int) -> None:
    """The longest stops of every group on every server."""
    print(f"{'server':<9}{'inputs':<12}{'number':>6}{'longest stop':>14}  of the input")
    for server in dict.fromkeys(row.server for row in rows):
        for group in dict.fromkeys(row.group for row in rows):
            found = [row for row in rows if (row.server, row.group) == (server, group)]
            for place, row in enumerate(sorted(found, key=lambda row: -max(row.stops_ms))[:worst]):
                first = f"{server:<9}{group:<12}{len(found):>6}" if place == 0 else " " * 27
                print(f"{first}{max(row.stops_ms):>11.0f} ms  {row.name}: {row.status} {row.fault}")
