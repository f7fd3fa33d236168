"""One log line per HTTP request except probes, scrapes and static files, with an id for its other lines."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

from everything_site.logs import MAX_TEXT_LENGTH, LineFormatter, bounded, console_of, request_id
from everything_site.middleware.http_metrics import HttpMetrics
from mcp_app.conf import conf
from mcp_app.monitoring.metrics import NOTHING, Metrics

logger = logging.getLogger("everything_site.requests")

_FOUND = frozenset({200, 206, 304})
_GIVEN_ID = re.compile(rb"[A-Za-z0-9_-]{8,64}")

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


class RequestLog:
    """ASGI middleware. A proxy's `X-Request-ID` is used; the response has the id.

    An application adds fields with the dictionary `scope["state"]["log_fields"]`. It has to limit what a
    client chose; the formatters escape it.

    Args:
        app: The application.
        metrics: Where requests are measured.
    """

    def __init__(self, app: Asgi, metrics: Metrics = NOTHING) -> None:
        self._app = app
        self._http = HttpMetrics(metrics) if metrics else None
        self._quiet = frozenset({conf.liveness_path, conf.readiness_path, conf.metrics_path})
        self._static = str(settings.STATIC_URL)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        current = _given_id(scope) or f"{random.getrandbits(64):016x}"
        started = time.perf_counter()
        fields: dict[str, Any] = {"status": 0, "milliseconds": 0.0}
        scope.setdefault("state", {})["log_fields"] = fields

        def logged_send(message: MutableMapping[str, Any]) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                fields["status"] = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", current.encode())]
            sent: Awaitable[None] = send(message)
            return sent

        token = request_id.set(current)
        try:
            await self._app(scope, receive, logged_send)
        finally:
            path, status = scope["path"], fields["status"]
            seconds = time.perf_counter() - started
            is_quiet = path in self._quiet
            if self._http is not None and not is_quiet:
                self._http.record(scope["method"], status, path, seconds)
            # Wrong tokens for the metrics leave a line. A page has dozens of static files.
            is_quiet = status != 401 if is_quiet else status in _FOUND and path.startswith(self._static)
            if not is_quiet and logger.isEnabledFor(logging.INFO):
                fields["milliseconds"] = round(seconds * 1000, 1)
                _log(scope, fields, current)
            request_id.reset(token)


def _log(scope: MutableMapping[str, Any], fields: dict[str, Any], current: str) -> None:
    """Write the line: without a LogRecord if nobody else would see it, which costs a third as much."""
    # Without the query, which may contain an authorization code.
    method, path = scope["method"], bounded(scope["path"], MAX_TEXT_LENGTH)
    console = console_of(logger)
    if console is None:
        logger.info("%s %s", method, path, extra=fields)
        return
    assert isinstance(console.formatter, LineFormatter)
    fields["request_id"] = current
    console.write_soon(console.formatter.line(time.time(), "INFO", logger.name, f"{method} {path}", fields))


def _given_id(scope: MutableMapping[str, Any]) -> str | None:
    given = dict(scope["headers"]).get(b"x-request-id")
    return str(given, "ascii") if given is not None and _GIVEN_ID.fullmatch(given) else None
