"""How many HTTP requests there are, and how long they take."""

from __future__ import annotations

from mcp_app.conf import conf
from mcp_app.monitoring.metrics import OTHER, Metric, Metrics, Recorder

HTTP_DURATION = Metric(
    "http.server.request.duration",
    "histogram",
    "s",
    "How long HTTP requests took; for an event stream, until it closed. The route is missing for pages.",
    ("http.request.method", "http.response.status_code", "http.route"),
    (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_OAUTH_ROUTES = ("/authorize", "/token", "/register", "/revoke", "/introspect")


class HttpMetrics:
    """Records HTTP requests.

    Args:
        metrics: Where they are recorded.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._routes = frozenset({conf.path, conf.sse_path, conf.message_path, *_OAUTH_ROUTES})
        self._recorders: dict[tuple[str, int, str], Recorder] = {}

    def record(self, method: str, status: int, path: str, seconds: float) -> None:
        """A request has ended."""
        route = path if path in self._routes else ""
        known = method if method in _METHODS else OTHER
        record = self._recorders.get((known, status, route))
        if record is None:
            record = self._metrics.recorder(HTTP_DURATION, known, str(status), route)
            self._recorders[known, status, route] = record
        record(seconds)
