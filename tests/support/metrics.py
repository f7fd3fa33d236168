"""What a process shows to Prometheus, parsed."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families

from mcp_app.observers import CallFacts, Observer, Observers


class Samples:
    """The samples of one scrape.

    Args:
        text: What was scraped, in the text format.
    """

    def __init__(self, text: str) -> None:
        self._values: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._values[sample.name].append((sample.labels, sample.value))

    @property
    def names(self) -> set[str]:
        """The names of all time series."""
        return set(self._values)

    def sum(self, name: str, **labels: str) -> float:
        """The sum over all time series of a name that have these values of labels."""
        return sum(value for found, value in self._values[name] if labels.items() <= found.items())

    def values_of(self, name: str, label: str) -> set[str]:
        """The values that a label has in the time series of a name."""
        return {labels[label] for labels, _ in self._values[name]}


class _Marker(Observer):
    """Notices when the observers' thread has reached it."""

    def __init__(self) -> None:
        self.reached = threading.Event()

    def call_sent(self, call: CallFacts, method: str) -> None:
        self.reached.set()


async def all_told(observers: Observers) -> None:
    """Return once the observers of a process have been told what has happened until now."""
    marker = _Marker()
    observers.attach(marker)
    try:
        observers.tell("call_sent", CallFacts("", None, "", None, "", "", "", "", "", None), "")
        assert await asyncio.to_thread(marker.reached.wait, 10)
    finally:
        observers.detach(marker)
