"""Many short alternating slices, so that changes in the speed of the machine affect all servers."""

from __future__ import annotations

import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from tests.bench.load import Plan, Slice
from tests.bench.servers import processor_seconds
from tests.support.processes import ROOT

SLICE_SECONDS = 0.25
SLICE_TIMEOUT = 60.0


@dataclass
class Contestant:
    """One server, and what it is asked.

    Args:
        name: What the tables call it.
        process_ids: The server's processes.
        plans: What its clients send; all plans at once.
    """

    name: str
    process_ids: list[int]
    plans: list[Plan]
    slices: list[Slice] = field(default_factory=list)
    processor_seconds: float = 0.0

    def used(self) -> float:
        """The seconds of a processor that its processes have used so far."""
        return sum(map(processor_seconds, self.process_ids))

    @property
    def rates(self) -> list[float]:
        """Calls a second, slice by slice."""
        return [done.calls / done.seconds for done in self.slices]

    @property
    def processor_microseconds(self) -> float:
        """What a call costs the server's process."""
        return self.processor_seconds / sum(done.calls for done in self.slices) * 1e6

    @property
    def errors(self) -> int:
        return sum(done.errors for done in self.slices)

    def latency(self, share: float) -> float:
        """The milliseconds within which a share of the calls was answered."""
        ordered = sorted(latency for done in self.slices for latency in done.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True)
class Ratio:
    """The median of the ratios of paired slices, and the quartiles around it."""

    low: float
    median: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio(contestant: Contestant, yardstick: Contestant) -> Ratio:
    """How many calls one did for each of the other's, in the same rounds."""
    pairs = [mine / its for mine, its in zip(contestant.rates, yardstick.rates, strict=True)]
    low, median, high = statistics.quantiles(pairs, n=4, method="inclusive")
    return Ratio(low, median, high)


def compete(contestants: list[Contestant], rounds: int, *, pinned: bool = True) -> None:
    """Measure in rounds: in each, every server gets one slice, in random order.

    A first round warms up and does not count. Pinned, the servers share the first processor, where only one
    of them works at a time, and the load has the last.
    """
    with _load(contestants, pinned=pinned) as load:
        for number in range(rounds + 1):
            for contestant in random.sample(contestants, len(contestants)):
                used = contestant.used()
                done = _slice(load, contestant.name)
                if number:
                    contestant.processor_seconds += contestant.used() - used
                    contestant.slices.append(done)


@contextlib.contextmanager
def _load(contestants: list[Contestant], *, pinned: bool) -> Iterator[subprocess.Popen[str]]:
    load = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if pinned:
        _pin(load.pid, last=True)
        for process_id in {id for contestant in contestants for id in contestant.process_ids}:
            _pin(process_id, last=False)
    plans = {contestant.name: [asdict(plan) for plan in contestant.plans] for contestant in contestants}
    try:
        assert load.stdin
        print(json.dumps(plans), file=load.stdin, flush=True)
        yield load
    finally:
        load.kill()
        load.wait(SLICE_TIMEOUT)


def _slice(load: subprocess.Popen[str], name: str) -> Slice:
    assert load.stdin
    assert load.stdout
    print(json.dumps({"name": name, "seconds": SLICE_SECONDS}), file=load.stdin, flush=True)
    answer = load.stdout.readline()
    if not answer:
        raise RuntimeError(f"the load ended while it measured {name}")
    return Slice(**json.loads(answer))


def _pin(process_id: int, *, last: bool) -> None:
    """Keep a process on the first processor, or on the last: the load takes nothing from the servers."""
    if hasattr(os, "sched_setaffinity") and len(processors := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(process_id, {processors[-1 if last else 0]})
