"""Metrics by OpenTelemetry: with the names of its conventions, and only if the process has a provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics as api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from mcp_app.monitoring import catalogue
from mcp_app.monitoring.measuring import Measuring
from mcp_app.observers import CallFacts, CallOutcome


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    """What the provider of the process has collected."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(api, "get_meter_provider", lambda: provider)
    yield reader
    provider.shutdown()


def collected(reader: InMemoryMetricReader) -> dict[str, Any]:
    data = reader.get_metrics_data()
    assert data is not None
    [resource] = data.resource_metrics
    [scope] = resource.scope_metrics
    assert scope.scope.name == "mcp_app"
    return {metric.name: metric for metric in scope.metrics}


def measuring() -> Measuring:
    return Measuring(lambda: [(catalogue.STREAMS_OPEN, 7, "standalone")])


def call(method: str, tool: str | None, revision: str) -> CallFacts:
    return CallFacts(method, tool, "session", "id", revision, "alice", "", "alice", "client", None)


async def test_a_call_has_the_name_the_unit_the_attributes_and_the_buckets_of_the_convention(
    reader: InMemoryMetricReader,
) -> None:
    [observer] = measuring().observers
    observer.call_finished(call("initialize", None, ""), CallOutcome("result", 0.003, None))
    observer.call_finished(call("initialize", None, "2025-11-25"), CallOutcome("error", 7.0, "-32602"))
    metric = collected(reader)["mcp.server.operation.duration"]
    assert metric.unit == "s"
    points = {frozenset(point.attributes.items()): point for point in metric.data.data_points}
    failed = {
        "mcp.method.name": "initialize",
        "mcp.protocol.version": "2025-11-25",
        "error.type": "-32602",
    }
    assert set(points) == {frozenset({"mcp.method.name": "initialize"}.items()), frozenset(failed.items())}
    assert {point.count for point in points.values()} == {1}
    [bounds] = {tuple(point.explicit_bounds) for point in points.values()}
    assert bounds == catalogue.OPERATION_DURATION.buckets


async def test_what_is_open_is_a_gauge_and_what_has_happened_a_counter(reader: InMemoryMetricReader) -> None:
    made = measuring()
    await made.beat()
    [observer] = made.observers
    observer.call_recovered(call("tools/call", "echo", "2025-11-25"))
    found = collected(reader)
    [point] = found["mcp_app.streams.open"].data.data_points
    assert (point.value, point.attributes) == (7, {"kind": "standalone"})
    recovered = found["mcp_app.calls.recovered"].data.data_points
    assert {point.attributes["kind"]: point.value for point in recovered} == {
        "session": 1,
        "stateless": 0,
        "task": 0,
    }


def test_without_a_provider_nothing_is_recorded() -> None:
    assert isinstance(api.get_meter_provider(), api.MeterProvider)
    assert not measuring().metrics


def test_a_provider_that_does_nothing_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "get_meter_provider", api.NoOpMeterProvider)
    assert not measuring().metrics
