"""A foreign host is refused in one line, and no error page shows a secret, whatever DEBUG is."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.views.debug import ExceptionReporter, get_exception_reporter_filter

from everything_site.conf import Environment

SECRET = "p4ssw0rd-of-mine"


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    "path", ["/", "/admin/login/", "/.well-known/oauth-authorization-server", "/nothing"]
)
@pytest.mark.parametrize("host", ["foreign.example", "localhost.foreign.example:3232", "a b", ""])
def test_a_foreign_host_is_refused_in_one_line(
    settings: Any, caplog: pytest.LogCaptureFixture, host: str, path: str, debug: bool
) -> None:
    settings.DEBUG = debug
    response = Client().get(path, headers={"host": host})
    assert response.status_code == 421
    assert response["Content-Type"].startswith("text/plain")
    assert len(response.content.decode().splitlines()) == 1
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == [], "the line of the request says it"


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}@redis.example:6379/0",
        f"rediss://someone:{SECRET}@redis.example/0",
        f"redis://:{SECRET}@with@at.example/0",
        f"unix:///run/redis.sock?db=1&password={SECRET}",
        f"unix://someone:{SECRET}@/run/redis.sock",
    ],
)
def test_an_error_page_shows_no_password_of_a_url(settings: Any, url: str) -> None:
    settings.DEBUG = True
    settings.REDIS_URL = url
    settings.CHANNEL_LAYERS = {"default": {"CONFIG": {"hosts": [url, (url,), {"address": url}]}}}
    settings.ENV = Environment(redis_url=url, secret_key=SECRET, settings={"SECRET": SECRET})
    request = RequestFactory().get("/", headers={"referer": url})
    try:
        raise ValueError("a bug")
    except ValueError as error:
        page = ExceptionReporter(request, type(error), error, error.__traceback__).get_traceback_html()
    assert "REDIS_URL" in page
    assert SECRET not in page


def test_text_that_is_not_a_password_stays_readable() -> None:
    cleansed = get_exception_reporter_filter(None).cleanse_setting
    for url in ("redis://redis.example:6379/0", "unix:///run/redis.sock?db=1", "http://localhost:3232/a@b"):
        assert cleansed("PLACE", url) == url
