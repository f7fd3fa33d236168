"""Measurements: they arrive wherever they go, and what strangers write is not kept."""

from __future__ import annotations

import gc
import weakref

from mcp_app.monitoring import catalogue
from mcp_app.monitoring.label_values import LabelValues
from mcp_app.monitoring.metrics import OTHER, Metric, Metrics, Recorder
from mcp_app.monitoring.metrics_observer import MetricsObserver
from mcp_app.observers import CallFacts, CallOutcome


class Kept:
    """A sink that keeps all measurements, with the values of their attributes."""

    def __init__(self) -> None:
        self.found: list[tuple[float, tuple[str, ...]]] = []

    def declare(self, metric: Metric) -> None:
        """It needs no preparation."""

    def close(self) -> None:
        """It holds nothing open."""

    def recorder(self, metric: Metric, values: tuple[str, ...]) -> Recorder:
        return lambda value: self.found.append((value, values))


class Word(str):
    """A text of which one can see whether it is still in memory."""


def call(method: str, tool: str) -> CallFacts:
    return CallFacts(method, tool, "session", "id", "2025-11-25", "alice", "", "alice", "client", None)


def test_each_measurement_arrives_at_all_places() -> None:
    places = [Kept(), Kept()]
    metrics = Metrics(others=places)
    for number in (1, 2):
        metrics.record(catalogue.CALLS_RECOVERED, number, "task")
    metrics.record(catalogue.CALLS_RECOVERED, 3, "session")
    for place in places:
        assert place.found == [(1, ("task",)), (2, ("task",)), (3, ("session",))]


def test_the_words_of_strangers_are_neither_shown_nor_kept() -> None:
    place = Kept()
    observer = MetricsObserver(Metrics(others=[place]), LabelValues())
    words = [Word("steal"), Word("tools/steal")]
    gone = [weakref.ref(word) for word in words]
    observer.call_finished(call("initialize", words[0]), CallOutcome("result", 0.1, None))
    observer.call_finished(call(words[1], words[0]), CallOutcome("result", 0.2, None))
    assert [values[:2] for _, values in place.found] == [("initialize", OTHER), (OTHER, OTHER)]
    words.clear()
    gc.collect()
    assert [each() for each in gone] == [None, None]
