"""How long an event loop stands still, seen from outside."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

from tests.abuse.site import SECONDS

EVERY = 0.003
"""Seconds between two pings."""


def processor_seconds(pid: int) -> float:
    """The processor time that a process and its children have used, to the nanosecond (Linux)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(time.clock_gettime(~each << 3 | 2) for each in (pid, *map(int, children)))


class Probe:
    """Pings `/healthz`, which needs nothing but the event loop, on a connection that is kept open.

    A ping that takes long proves a stopped loop only if the process was busy meanwhile: the machine may have
    had other things to do. So a stop is the time of a ping or the processor time that the process used in it,
    whichever is less.
    """

    def __init__(self, port: int, pid: int) -> None:
        self._port = port
        self._pid = pid
        self._stops: list[float] = []
        self._is_over = threading.Event()
        self.baseline = 0.0
        """The seconds of a ping in peace."""

    def measure_baseline(self) -> None:
        with self._pinging():
            time.sleep(0.5)
        self.baseline = statistics.median(self._stops)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Ping while the context is open; `longest` is then what was seen."""
        with self._pinging():
            yield
            time.sleep(0.03)

    @property
    def longest(self) -> float:
        """The longest stop, in seconds."""
        return max(0.0, max(self._stops, default=0.0) - self.baseline)

    @contextlib.contextmanager
    def _pinging(self) -> Iterator[None]:
        self._stops = []
        self._is_over.clear()
        with contextlib.closing(HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)) as connection:
            self._ping(connection)
            self._stops = []
            thread = threading.Thread(target=self._run, args=(connection,))
            thread.start()
            try:
                yield
            finally:
                self._is_over.set()
                thread.join()

    def _run(self, connection: HTTPConnection) -> None:
        while not self._is_over.is_set():
            self._ping(connection)
            time.sleep(EVERY)

    def _ping(self, connection: HTTPConnection) -> None:
        used, began = processor_seconds(self._pid), time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        elapsed = time.perf_counter() - began
        self._stops.append(min(elapsed, processor_seconds(self._pid) - used))
