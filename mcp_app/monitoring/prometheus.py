"""Metrics in the text format of Prometheus, with `prometheus-client`.

If PROMETHEUS_MULTIPROC_DIR names a folder, all processes that have it share their numbers by files there, and
each of them shows the same: the multiprocess mode of `prometheus-client`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from mcp_app.monitoring.metrics import Metric, Recorder

_SHARED = "PROMETHEUS_MULTIPROC_DIR"

_MODES: dict[str, Any] = {"sum": "livesum", "min": "livemin", "same": "livemostrecent"}
"""How values of several processes become one, by `Metric.over_processes`."""


class PrometheusPage:
    """What Prometheus scrapes from this process: its metrics, and those in the default registry.

    The default registry has those of the Python process, and whatever else the project measures.

    Raises:
        ImproperlyConfigured: PROMETHEUS_MULTIPROC_DIR names no folder.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._is_shared = bool(os.environ.get(_SHARED))
        if self._is_shared:
            try:
                MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]
            except ValueError as error:
                raise ImproperlyConfigured(f"{_SHARED} must name a folder that exists.") from error
            _forget_killed(Path(os.environ[_SHARED]))
        else:
            self._registry.register(REGISTRY)
        self._instruments: dict[Metric, Any] = {}

    def declare(self, metric: Metric) -> None:
        options: dict[str, Any] = {"registry": None if self._is_shared else self._registry}
        arguments = (metric.prometheus_name, metric.help, metric.labels)
        if metric.kind == "histogram":
            self._instruments[metric] = Histogram(*arguments, buckets=metric.buckets, **options)
        elif metric.kind == "gauge":
            mode = _MODES[metric.over_processes]
            self._instruments[metric] = Gauge(*arguments, multiprocess_mode=mode, **options)
        else:
            self._instruments[metric] = Counter(*arguments, **options)

    def recorder(self, metric: Metric, values: tuple[str, ...]) -> Recorder:
        instrument = self._instruments[metric]
        child = instrument.labels(*values) if metric.labels else instrument
        method = {"histogram": "observe", "gauge": "set", "counter": "inc"}[metric.kind]
        found: Recorder = getattr(child, method)
        return found

    def render(self, accept: str) -> tuple[str, bytes]:
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._registry)

    def close(self) -> None:
        if self._is_shared:
            mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]


def _forget_killed(folder: Path) -> None:
    """Remove the gauges of processes that had no time to: who is dead has nothing open, and is not ready."""
    for pid in {path.stem.rpartition("_")[2] for path in folder.glob("gauge_live*_*.db")}:
        if pid.isdecimal() and not _is_running(int(pid)):
            with suppress(FileNotFoundError):  # another process that starts has removed them
                mark_process_dead(int(pid))  # type: ignore[no-untyped-call]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # the latter for a number that no process can have
        return False
    except PermissionError:
        pass  # it is another user's
    return True
