"""The metrics of the engine. docs/monitoring.md has the same table."""

from __future__ import annotations

from mcp_app.monitoring.metrics import Metric

_CONVENTION = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""The buckets that OpenTelemetry's conventions for MCP recommend."""

_DATABASE = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""The same for clients of databases."""

_WAITS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

OPERATION_DURATION = Metric(
    "mcp.server.operation.duration",
    "histogram",
    "s",
    "How long requests took, from the start of their handler to its end.",
    ("mcp.method.name", "gen_ai.tool.name", "error.type", "mcp.protocol.version"),
    (0.001, 0.002, 0.005, *_CONVENTION),  # a small call takes about a millisecond
)
SESSION_DURATION = Metric(
    "mcp.server.session.duration",
    "histogram",
    "s",
    "How long sessions existed that a serving process ended. Those that expire are missing.",
    ("mcp.protocol.version",),
    (*_CONVENTION, 1800.0, 7200.0, 28800.0, 86400.0),
)
SESSIONS_OPENED = Metric(
    "mcp_app.sessions.opened",
    "counter",
    "{session}",
    "Sessions that clients initialized.",
    ("mcp.protocol.version",),
)
CALLS_RUNNING = Metric(
    "mcp_app.calls.running",
    "gauge",
    "{call}",
    "Calls that run in this process: of sessions, of 2026-07-28 (stateless), and work of extensions (task).",
    ("kind",),
)
CALLS_RECOVERED = Metric(
    "mcp_app.calls.recovered",
    "counter",
    "{call}",
    "Calls and tasks that this process took up because another one died or stopped.",
    ("kind",),
)
STREAMS_OPEN = Metric(
    "mcp_app.streams.open",
    "gauge",
    "{stream}",
    "Event streams that are open in this process: of sessions, and of subscriptions/listen.",
    ("kind",),
)
STREAMS_OPENED = Metric(
    "mcp_app.streams.opened",
    "counter",
    "{stream}",
    "Event streams that clients opened.",
    ("kind",),
)
STREAMS_RESUMED = Metric(
    "mcp_app.streams.resumed",
    "counter",
    "{stream}",
    "Event streams among them that continue an earlier one (Last-Event-ID).",
    ("kind",),
)
REFUSED = Metric(
    "mcp_app.requests.refused",
    "counter",
    "{request}",
    "Requests to the MCP endpoints that were refused before they became calls. The reason is a word, or the"
    " setting whose limit was reached.",
    ("http.response.status_code", "reason"),
)
WAKE_UP_DURATION = Metric(
    "mcp_app.wake_up.duration",
    "histogram",
    "s",
    "How long a message took through the channel layer, by which processes wake each other. Each sends itself"
    " one with every heartbeat.",
    buckets=_WAITS,
)
EVENT_LOOP_LAG = Metric(
    "mcp_app.event_loop.lag",
    "histogram",
    "s",
    "How much later than it should the event loop ran what was due; measured twice a second.",
    buckets=_WAITS,
)
DATABASE_DURATION = Metric(
    "db.client.operation.duration",
    "histogram",
    "s",
    "How long this process waited for Redis, also for a free connection, and for queries of the database.",
    ("db.system.name", "error.type"),
    _DATABASE,
)
READY = Metric(
    "mcp_app.ready",
    "gauge",
    "1",
    "Whether what the process needs worked when it was last tried, by a probe of /readyz or a scrape.",
    ("need",),
    over_processes="min",
)
DRAINING = Metric(
    "mcp_app.draining",
    "gauge",
    "1",
    "Whether this process is shutting down.",
)
SHARED_SESSIONS = Metric(
    "mcp_app.shared.sessions",
    "gauge",
    "{session}",
    "Sessions that exist, in all processes; idle ones, too.",
    over_processes="same",
)
SHARED_TASKS = Metric(
    "mcp_app.shared.tasks",
    "gauge",
    "{task}",
    "Tasks that exist, in all processes; those that have ended and can still be read, too.",
    over_processes="same",
)
SHARED_PROCESSES = Metric(
    "mcp_app.shared.processes",
    "gauge",
    "{process}",
    "Processes that serve MCP and can reach Redis.",
    over_processes="same",
)

ENGINE: tuple[Metric, ...] = tuple(value for value in vars().values() if isinstance(value, Metric))
"""All of them."""

_STREAMS = ("standalone", "reply", "listen")

KINDS: dict[Metric, tuple[str, ...]] = {
    CALLS_RECOVERED: ("session", "stateless", "task"),
    STREAMS_OPENED: _STREAMS,
    STREAMS_RESUMED: _STREAMS,
}
"""The kinds that counters begin with."""
