"""The metrics of the site: HTTP requests, log lines, sign-ins and tokens, in a bounded number of series."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from everything_site.logs import ConsoleHandler, JsonFormatter, console_of
from everything_site.metrics import SITE, LogCounter, SiteMetrics
from everything_site.middleware.request_log import RequestLog
from mcp_app.monitoring.metrics import OTHER, Metrics
from mcp_app.monitoring.prometheus import PrometheusPage
from oauth_app.models import end_access
from tests.oauth_app import flow
from tests.oauth_app.test_refresh import age_superseded
from tests.support.metrics import Samples

HTTP = "http_server_request_duration_seconds_count"


class Shown:
    """Metrics, and what is shown of them."""

    def __init__(self) -> None:
        self._page = PrometheusPage()
        self.metrics = Metrics(self._page)

    def sum(self, name: str, **labels: str) -> float:
        return self.samples.sum(name, **labels)

    @property
    def samples(self) -> Samples:
        return Samples(self._page.render("")[1].decode())


@pytest.fixture
def shown() -> Iterator[Shown]:
    """The site's metrics, counted during the test."""
    shown = Shown()
    site = SiteMetrics(shown.metrics)
    site.start()
    yield shown
    site.stop()


@pytest.mark.django_db
def test_tokens_are_counted_by_grant_and_what_is_withdrawn_by_kind(
    shown: Shown, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        alice = flow.connect("alice")
        for _ in range(2):
            assert flow.refresh(alice.http, alice.client_id, alice.refresh).status_code == 200
    issued = "oauth_app_tokens_issued_total"
    assert shown.sum(issued, grant_type="authorization_code") == 1
    assert shown.sum(issued, grant_type="refresh_token") == 2
    assert shown.sum("oauth_app_sign_ins_total", outcome="success") == 1
    assert shown.sum("oauth_app_access_withdrawn_total") == 0
    with django_capture_on_commit_callbacks(execute=True):
        end_access(user=User.objects.get(username="alice"))
    assert shown.sum("oauth_app_access_withdrawn_total", what="token") == 3
    assert shown.sum("oauth_app_access_withdrawn_total", what="consent") == 1


@pytest.mark.django_db
def test_codes_and_refresh_tokens_that_are_used_again_are_counted(
    shown: Shown, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        alice = flow.connect("alice")
        assert flow.refresh(alice.http, alice.client_id, alice.refresh).status_code == 200
        age_superseded(3600)
        assert flow.refresh(alice.http, alice.client_id, alice.refresh).status_code == 400
        assert flow.exchange(alice.http, alice.client_id, alice.code).status_code == 400
    for grant in ("refresh_token", "authorization_code"):
        assert shown.sum("oauth_app_tokens_reused_total", grant_type=grant) == 1


@pytest.mark.django_db
def test_wrong_passwords_are_counted(shown: Shown) -> None:
    assert authenticate(username="admin", password="guessed") is None
    assert shown.sum("oauth_app_sign_ins_total", outcome="failure") == 1


def test_log_lines_are_counted_from_warnings_on_by_level(shown: Shown) -> None:
    logger = logging.getLogger("a.library")
    for level in (logging.INFO, logging.WARNING, logging.ERROR, logging.ERROR, logging.CRITICAL, 99):
        logger.log(level, "said")
    records = "everything_site_log_records_total"
    counts = [shown.sum(records, level=level) for level in ("info", "warning", "error", "critical")]
    assert counts == [0, 1, 2, 2]


def test_counting_log_lines_does_not_slow_down_the_lines_of_requests(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = ConsoleHandler()
    console.setFormatter(JsonFormatter())
    logger = logging.getLogger("everything_site.requests")
    monkeypatch.setattr(logging.root, "handlers", [console, LogCounter(shown.metrics)])
    assert console_of(logger) is console
    monkeypatch.setattr(logging.root, "handlers", [console, logging.NullHandler()])
    assert console_of(logger) is None


async def _respond(metrics: Metrics, path: str, method: str = "GET", status: int = 200) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})

    async def send(message: Any) -> None:
        pass

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}
    await RequestLog(app, metrics)(scope, None, send)


async def test_requests_are_counted_by_method_status_and_a_route_of_few(shown: Shown) -> None:
    await _respond(shown.metrics, "/mcp", "POST")
    await _respond(shown.metrics, "/token", "POST", 429)
    for number in range(5):
        await _respond(shown.metrics, f"/page-{number}", f"METHOD{number}", 404)
    assert shown.sum(HTTP, http_route="/mcp", http_request_method="POST") == 1
    assert shown.sum(HTTP, http_route="/token", http_response_status_code="429") == 1
    assert shown.sum(HTTP, http_route="", http_request_method=OTHER, http_response_status_code="404") == 5


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_probes_and_scrapes_are_not_counted(shown: Shown, settings: Any, path: str) -> None:
    settings.MCP_METRICS_PATH = "/metrics"
    await _respond(shown.metrics, path)
    assert shown.sum(HTTP) == 0


def test_without_metrics_nothing_is_counted() -> None:
    before = list(logging.root.handlers)
    SiteMetrics(Metrics()).start()
    assert logging.root.handlers == before


def test_every_counter_begins_at_zero(shown: Shown) -> None:
    names = {metric.prometheus_name for metric in SITE if metric.kind == "counter"}
    assert names <= shown.samples.names
