"""Metrics of the site, in addition to those of the engine: HTTP requests, log lines, sign-ins and tokens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.dispatch import Signal

from everything_site.middleware.http_metrics import HTTP_DURATION
from mcp_app.monitoring.metrics import Metric, Metrics
from oauth_app.signals import access_withdrawn, audited

LOG_RECORDS = Metric(
    "everything_site.log.records",
    "counter",
    "{record}",
    "Log lines of level warning and above.",
    ("level",),
)
SIGN_INS = Metric(
    "oauth_app.sign_ins",
    "counter",
    "{attempt}",
    "Users who signed in, and attempts with a wrong password.",
    ("outcome",),
)
TOKENS_ISSUED = Metric(
    "oauth_app.tokens.issued",
    "counter",
    "{token}",
    "Access tokens that were issued, for a code or a refresh token.",
    ("grant_type",),
)
TOKENS_REUSED = Metric(
    "oauth_app.tokens.reused",
    "counter",
    "{token}",
    "Codes and refresh tokens that were used again, which ended what had been issued for them.",
    ("grant_type",),
)
WITHDRAWN = Metric(
    "oauth_app.access.withdrawn",
    "counter",
    "1",
    "Valid access tokens and consents that were withdrawn.",
    ("what",),
)
SITE = (HTTP_DURATION, LOG_RECORDS, SIGN_INS, TOKENS_ISSUED, TOKENS_REUSED, WITHDRAWN)

_CODE, _REFRESH = _GRANTS = ("authorization_code", "refresh_token")
_EVENTS = {
    "tokens issued": (TOKENS_ISSUED, _CODE),
    "tokens refreshed": (TOKENS_ISSUED, _REFRESH),
    "authorization code reused": (TOKENS_REUSED, _CODE),
    "refresh token reused": (TOKENS_REUSED, _REFRESH),
}
"""The audit events that are counted, with the metric and its attribute."""

_INITIAL_VALUES: Mapping[Metric, tuple[str, ...]] = {
    LOG_RECORDS: ("warning", "error", "critical"),
    SIGN_INS: ("success", "failure"),
    TOKENS_ISSUED: _GRANTS,
    TOKENS_REUSED: _GRANTS,
    WITHDRAWN: ("token", "consent"),
}
"""Attributes that counters have from the start, at zero, so that the first increase is seen as one."""


class LogCounter(logging.Handler):
    """Counts log records of level warning and above."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(logging.WARNING)
        self._metrics = metrics

    def emit(self, record: logging.LogRecord) -> None:
        level = "warning" if record.levelno < logging.ERROR else "error"
        self._metrics.record(LOG_RECORDS, 1, "critical" if record.levelno >= logging.CRITICAL else level)


class SiteMetrics:
    """Counts log lines, sign-ins and tokens of this process.

    Args:
        metrics: Where they are recorded.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._handler = LogCounter(metrics)
        self._receivers: dict[Signal, Callable[..., None]] = {
            user_logged_in: self._on_logged_in,
            user_login_failed: self._on_login_failed,
            audited: self._on_audited,
            access_withdrawn: self._on_withdrawn,
        }

    def start(self) -> None:
        """Count from now on, if it goes anywhere."""
        if not self._metrics:
            return
        self._metrics.declare(SITE)
        for counter, values in _INITIAL_VALUES.items():
            for value in values:
                self._metrics.record(counter, 0, value)
        logging.getLogger().addHandler(self._handler)
        for signal, receiver in self._receivers.items():
            signal.connect(receiver)

    def stop(self) -> None:
        """Count no longer."""
        logging.getLogger().removeHandler(self._handler)
        for signal, receiver in self._receivers.items():
            signal.disconnect(receiver)

    def _on_logged_in(self, **kwargs: Any) -> None:
        self._metrics.record(SIGN_INS, 1, "success")

    def _on_login_failed(self, **kwargs: Any) -> None:
        self._metrics.record(SIGN_INS, 1, "failure")

    def _on_audited(self, event: str, **kwargs: Any) -> None:
        if (counted := _EVENTS.get(event)) is not None:
            counter, grant_type = counted
            self._metrics.record(counter, 1, grant_type)

    def _on_withdrawn(self, checksums: Sequence[str], grants: Sequence[str], **kwargs: Any) -> None:
        self._metrics.record(WITHDRAWN, len(checksums), "token")
        self._metrics.record(WITHDRAWN, len(grants), "consent")
