"""The observer that records what happens to calls, sessions, streams and requests."""

from __future__ import annotations

from mcp_app.monitoring import catalogue
from mcp_app.monitoring.label_values import LabelValues
from mcp_app.monitoring.metrics import OTHER, Metrics, Recorder
from mcp_app.observers import (
    CallFacts,
    CallOutcome,
    Observer,
    RefusalFacts,
    SessionEnd,
    SessionFacts,
    StreamFacts,
)


class MetricsObserver(Observer):
    """Records metrics.

    Args:
        metrics: Where they are recorded.
        values: Which values of attributes are known.
    """

    is_quick = True

    def __init__(self, metrics: Metrics, values: LabelValues) -> None:
        self._record, self._recorder = metrics.record, metrics.recorder
        self._values = values
        self._calls: dict[tuple[str, str | None, str | None, str], Recorder] = {}
        """What records calls whose values are all known, so that there are no more than time series."""

    def call_finished(self, call: CallFacts, outcome: CallOutcome) -> None:
        key = (call.method, call.tool, outcome.error_type, call.revision)
        record = self._calls.get(key)
        if record is None:
            known = self._values
            values = (
                known.method(call.method),
                known.tool(call.tool),
                known.error_type(outcome.error_type),
                known.revision(call.revision),
            )
            record = self._recorder(catalogue.OPERATION_DURATION, *values)
            if OTHER not in values:
                self._calls[key] = record
        record(outcome.seconds)

    def call_recovered(self, call: CallFacts) -> None:
        self._record(catalogue.CALLS_RECOVERED, 1, call.kind)

    def session_opened(self, session: SessionFacts) -> None:
        self._record(catalogue.SESSIONS_OPENED, 1, self._values.revision(session.revision))

    def session_ended(self, session: SessionEnd) -> None:
        revision = self._values.revision(session.revision)
        self._record(catalogue.SESSION_DURATION, session.seconds, revision)

    def stream_opened(self, stream: StreamFacts) -> None:
        self._record(catalogue.STREAMS_OPENED, 1, stream.kind)
        if stream.is_resumed:
            self._record(catalogue.STREAMS_RESUMED, 1, stream.kind)

    def refused(self, refusal: RefusalFacts) -> None:
        self._record(catalogue.REFUSED, 1, str(refusal.status), refusal.reason)
