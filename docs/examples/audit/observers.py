from opentelemetry import metrics

from audit.models import Entry
from mcp_app.observers import CallFacts, CallOutcome, Observer, RefusalFacts


class Audit(Observer):
    """Writes each call of a tool into the database, in the thread of the observers: it delays nobody."""

    def call_finished(self, call: CallFacts, outcome: CallOutcome) -> None:
        if call.tool is not None:
            Entry.objects.create(
                issuer=call.issuer,
                subject=call.subject,
                username=call.username,
                client=call.client,
                tool=call.tool,
                outcome=outcome.kind,
                trace=call.trace_id or "",
            )


class Metrics(Observer):
    """Counts and durations, for whatever OpenTelemetry exports to."""

    def __init__(self) -> None:
        meter = metrics.get_meter("audit")
        self._durations = meter.create_histogram("mcp.server.operation.duration", unit="s")
        self._recovered = meter.create_counter("mcp.server.recovered")
        self._refused = meter.create_counter("mcp.server.refused")

    def call_finished(self, call: CallFacts, outcome: CallOutcome) -> None:
        attributes = {"mcp.method.name": call.method, "mcp.protocol.version": call.revision}
        if call.tool is not None:
            attributes["gen_ai.tool.name"] = call.tool
        if outcome.error_type is not None:
            attributes["error.type"] = outcome.error_type
        self._durations.record(outcome.seconds, attributes)

    def call_recovered(self, call: CallFacts) -> None:
        self._recovered.add(1)

    def refused(self, refusal: RefusalFacts) -> None:
        self._refused.add(1, {"http.response.status_code": refusal.status})
