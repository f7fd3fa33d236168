"""The continuous measurement of a process, for its metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from mcp.server.mcpserver import MCPServer
from redis.asyncio import Redis

from mcp_app.conf import conf
from mcp_app.coordination import keys
from mcp_app.coordination.cancellation import cancel_and_wait
from mcp_app.coordination.total import Total
from mcp_app.monitoring import catalogue
from mcp_app.monitoring.label_values import LabelValues
from mcp_app.monitoring.metrics import Metric, Metrics
from mcp_app.monitoring.metrics_observer import MetricsObserver
from mcp_app.monitoring.opentelemetry_metrics import configured_sink
from mcp_app.monitoring.query_timer import QueryTimer
from mcp_app.observers import Observer
from mcp_app.sessions import keys as sessions

_LOOP_SECONDS = 0.5
"""How often the event loop is measured."""

_FAILED = "unavailable"

Gauge = tuple[Metric, float, str]
"""A gauge, its value now, and the kind of what it counts."""


def configured_metrics() -> Metrics:
    """The metrics of this process, as the settings and the OpenTelemetry provider have it.

    Raises:
        ImproperlyConfigured: `MCP_METRICS_PATH` is set, and `prometheus-client` is missing or cannot be used.
    """
    sink = configured_sink()
    others = () if sink is None else (sink,)
    if not conf.metrics_path:
        return Metrics(others=others)
    if fault := page_fault():
        raise ImproperlyConfigured(fault)
    from mcp_app.monitoring.prometheus import PrometheusPage  # an optional package

    return Metrics(PrometheusPage(), others)


def page_fault() -> str | None:
    """Why `MCP_METRICS_PATH` cannot be served, or None."""
    if conf.metrics_path and find_spec("prometheus_client") is None:
        return f"MCP_METRICS_PATH is {conf.metrics_path!r}, which needs the package prometheus-client."
    return None


class Measuring:
    """Records the metrics of a process that serves MCP. If they go nowhere, it does nothing.

    Args:
        gauges: Returns what is open and running at this moment.

    Attributes:
        metrics: Where they are recorded.
        observers: The observers to attach, which record calls, sessions, streams and refusals.
    """

    def __init__(self, gauges: Callable[[], Iterable[Gauge]]) -> None:
        self.metrics = configured_metrics()
        self.metrics.declare(catalogue.ENGINE)
        self._gauges = gauges
        self._values = LabelValues()
        self._totals: Mapping[Metric, Total] = {}
        self.observers: list[Observer] = []
        if self.metrics:
            self.observers.append(MetricsObserver(self.metrics, self._values))
            for counter, kinds in catalogue.KINDS.items():
                for kind in kinds:
                    self.metrics.record(counter, 0, kind)  # else the first increase would not be seen as one

    def on_reply(self, seconds: float, has_failed: bool) -> None:
        """A request to Redis has ended."""
        self._on_database("redis", seconds, has_failed)

    def on_echo(self, seconds: float) -> None:
        """A message to this process itself has arrived."""
        self.metrics.record(catalogue.WAKE_UP_DURATION, seconds)

    def on_tried(self, need: str, works: bool) -> None:
        """Something that the process needs was tried."""
        self.metrics.record(catalogue.READY, works, need)

    def _on_database(self, system: str, seconds: float, has_failed: bool) -> None:
        self.metrics.record(catalogue.DATABASE_DURATION, seconds, system, _FAILED if has_failed else "")

    async def beat(self) -> None:
        """Set the gauges; a part of the heartbeat.

        Raises:
            Unavailable: Redis cannot be reached. What all processes share keeps its last values.
        """
        if not self.metrics:
            return
        for gauge, number, kind in self._gauges():
            self.metrics.record(gauge, number, *([kind] if kind else []))
        await self._values.look_again()
        for gauge, total in self._totals.items():
            self.metrics.record(gauge, await total.count())

    @asynccontextmanager
    async def running(self, redis: Redis, server: MCPServer[Any]) -> AsyncIterator[None]:
        """Measure while the context is open.

        Args:
            redis: The connections to Redis.
            server: The server whose methods and tools may be named.
        """
        if not self.metrics:
            yield
            return
        self._totals = {
            catalogue.SHARED_SESSIONS: Total(redis, sessions.all_sessions()),
            catalogue.SHARED_TASKS: Total(redis, keys.all_tasks()),
            catalogue.SHARED_PROCESSES: Total(redis, keys.processes()),
        }
        await self._values.use(server)
        watching = asyncio.create_task(self._watch_loop(), name="event loop lag")
        try:
            with QueryTimer(self._on_database).timing():
                yield
        finally:
            await cancel_and_wait(watching)
            self.metrics.close()

    async def _watch_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LOOP_SECONDS
            await asyncio.sleep(_LOOP_SECONDS)
            self.metrics.record(catalogue.EVENT_LOOP_LAG, max(0.0, loop.time() - due))
