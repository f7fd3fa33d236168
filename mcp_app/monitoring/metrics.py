"""The metrics of a process: what is measured, and where it is recorded.

Names and attributes are OpenTelemetry's, where its semantic conventions have them. Prometheus has the same
names, with underscores and the unit: `mcp.server.operation.duration` becomes
`mcp_server_operation_duration_seconds`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

OTHER = "_OTHER"
"""The value of an attribute in place of those that are not known in advance, as OpenTelemetry's conventions
have it: a stranger must not be able to create time series without end."""

_UNITS = {"s": "seconds", "By": "bytes"}
"""How Prometheus spells the units of OpenTelemetry; those in braces are notes, and are left out."""

Recorder = Callable[[float], None]
"""Adds a value to a counter, observes one for a histogram, or sets a gauge. May be called in any thread."""


@dataclass(frozen=True, eq=False)
class Metric:
    """Something that is measured.

    Attributes:
        name: The name in OpenTelemetry.
        kind: What it is.
        unit: The unit in OpenTelemetry: `s`, or a note such as `{call}`.
        help: What it says, in a sentence.
        attributes: The names of its attributes; in Prometheus those of its labels, with underscores.
        buckets: The upper bounds of a histogram's buckets.
        over_processes: How to combine a gauge of several processes: `sum`, `min`, or `same` if all of them
            say the same, so that adding them up would be wrong.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    help: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    over_processes: Literal["sum", "min", "same"] = "sum"

    @property
    def prometheus_name(self) -> str:
        """Its name in Prometheus."""
        parts = [re.sub(r"\W+", "_", self.name)]
        if self.unit in _UNITS:
            parts.append(_UNITS[self.unit])
        if self.kind == "counter":
            parts.append("total")
        return "_".join(parts)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its labels in Prometheus."""
        return tuple(re.sub(r"\W+", "_", name) for name in self.attributes)


class Sink(Protocol):
    """Where measurements go. Its methods may be called in any thread."""

    def declare(self, metric: Metric) -> None:
        """Prepare for a metric."""

    def close(self) -> None:
        """This process is about to end."""

    def recorder(self, metric: Metric, values: tuple[str, ...]) -> Recorder:
        """What records measurements of a metric with these attributes.

        Args:
            metric: What is measured; it has been declared.
            values: Those of the attributes, in order; empty if one does not apply.
        """


class Page(Sink, Protocol):
    """A sink that others fetch from this process."""

    def render(self, accept: str) -> tuple[str, bytes]:
        """The content type and the text of all metrics.

        Args:
            accept: The Accept header of the request.
        """


class Metrics:
    """Records what is measured in a process. Falsy if that goes nowhere.

    Args:
        page: What is fetched from this process, if anything.
        others: Where else measurements go.
    """

    def __init__(self, page: Page | None = None, others: Sequence[Sink] = ()) -> None:
        self.page = page
        self._sinks: Sequence[Sink] = (page, *others) if page is not None else tuple(others)
        self._recorders: dict[tuple[Metric, tuple[str, ...]], Recorder] = {}

    def __bool__(self) -> bool:
        return bool(self._sinks)

    def declare(self, metrics: Iterable[Metric]) -> None:
        """Prepare for metrics, each once, before they are recorded."""
        for metric in metrics:
            for sink in self._sinks:
                sink.declare(metric)

    def record(self, metric: Metric, value: float = 1, *values: str) -> None:
        """Record a measurement; may be called in any thread.

        Args:
            metric: What was measured; it has been declared.
            value: How much to count; what to observe, in the unit of the metric; or the value of a gauge.
            values: Those of the attributes, in order; empty if one does not apply.
        """
        self.recorder(metric, *values)(value)

    def recorder(self, metric: Metric, *values: str) -> Recorder:
        """What records measurements of a metric with these attributes, for those who measure often.

        Args:
            metric: What is measured; it has been declared.
            values: Those of the attributes, in order; empty if one does not apply.
        """
        found = self._recorders.get((metric, values))
        if found is None:
            found = self._recorders[metric, values] = _all(
                [sink.recorder(metric, values) for sink in self._sinks]
            )
        return found

    def close(self) -> None:
        """This process is about to end: what it holds open counts no more."""
        for sink in self._sinks:
            sink.close()


def _all(recorders: Sequence[Recorder]) -> Recorder:
    if len(recorders) == 1:
        return recorders[0]

    def record(value: float) -> None:
        for each in recorders:
            each(value)

    return record


NOTHING = Metrics()
"""For what is not measured."""
