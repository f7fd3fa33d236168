"""Metrics by the API of OpenTelemetry, for the provider of the process, if it has one."""

from __future__ import annotations

from functools import partial
from typing import Any

from opentelemetry import metrics as api

from mcp_app.monitoring.metrics import Metric, Recorder


class OpenTelemetrySink:
    """Records measurements with a meter provider.

    Args:
        provider: The provider.
    """

    def __init__(self, provider: api.MeterProvider) -> None:
        self._meter = provider.get_meter("mcp_app")
        self._instruments: dict[Metric, Any] = {}

    def declare(self, metric: Metric) -> None:
        arguments = (metric.name, metric.unit, metric.help)
        if metric.kind == "histogram":
            self._instruments[metric] = self._meter.create_histogram(
                *arguments, explicit_bucket_boundaries_advisory=metric.buckets
            ).record
        elif metric.kind == "gauge":
            self._instruments[metric] = self._meter.create_gauge(*arguments).set
        else:
            self._instruments[metric] = self._meter.create_counter(*arguments).add

    def recorder(self, metric: Metric, values: tuple[str, ...]) -> Recorder:
        attributes = {name: text for name, text in zip(metric.attributes, values, strict=True) if text}
        return partial(self._instruments[metric], attributes=attributes)

    def close(self) -> None:
        """The provider is the project's, and exports what is left when it is shut down."""


def configured_sink() -> OpenTelemetrySink | None:
    """A sink for the provider of this process; None if none was set, so that nothing would be kept.

    Like that of traces, it must be set before the server is built: by `opentelemetry-instrument`, or in the
    settings.
    """
    provider = api.get_meter_provider()
    # Until one is set there is a stand-in, and one that does nothing may be chosen: both are part of the API.
    return None if type(provider).__module__.startswith(api.__name__) else OpenTelemetrySink(provider)
