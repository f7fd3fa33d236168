"""Error pages are pages of the site: in production without details, in development with Django's beneath."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.test import Client as Http

from everything_site.logs import request_id

DETAILS = "Details for developers"


@pytest.fixture(params=[False, True], ids=["production", "development"])
def debug(request: pytest.FixtureRequest, settings: Any) -> bool:
    settings.DEBUG = request.param
    return bool(request.param)


@pytest.fixture
def http(debug: bool) -> Http:
    return Http(raise_request_exception=False)


def failing(error: Exception) -> Any:
    """A function that raises this error."""

    def fail(*args: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("path", ["/nowhere", "/nowhere/at/all", "/fakeupstreamauth/nowhere"])
def test_an_unknown_address_leads_back(http: Http, debug: bool, path: str) -> None:
    page = http.get(path)
    text = page.content.decode()
    assert page.status_code == 404
    assert "There is nothing at this address" in text
    assert '<a class="button main" href="/">Home</a>' in text
    assert (DETAILS in text) is debug
    assert ("matches none of these patterns" in text) is debug


@pytest.mark.parametrize(
    ("error", "status", "heading"),
    [
        (Http404("no such thing"), 404, "There is nothing at this address"),
        (RuntimeError("a bug"), 500, "Something went wrong"),
        (SuspiciousOperation("odd"), 400, "This request cannot be understood"),
    ],
)
def test_a_view_that_fails_shows_what_happened_only_in_development(
    http: Http,
    debug: bool,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    heading: str,
) -> None:
    monkeypatch.setattr("everything_site.pages.views.clients", failing(error))
    page = http.get("/")
    text = page.content.decode()
    assert page.status_code == status
    assert f"<h1>{heading}</h1>" in text
    assert (DETAILS in text) is debug
    assert (str(error) in text) is debug


def test_what_is_not_allowed_is_said_without_details(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everything_site.pages.views.clients", failing(PermissionDenied("secret reason")))
    page = http.get("/")
    assert page.status_code == 403
    assert "<h1>You are not allowed to do this</h1>" in page.content.decode()
    assert "secret reason" not in page.content.decode()


def test_the_details_have_no_passwords(
    http: Http, settings: Any, debug: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = "redis://user:hunter2@redis.example/0"
    monkeypatch.setattr("everything_site.pages.views.clients", failing(RuntimeError("a bug")))
    text = http.get("/").content.decode()
    assert ("redis.example" in text) is debug
    assert "hunter2" not in text


def test_a_template_with_an_error_still_shows_the_error_in_development(settings: Any, tmp_path: Path) -> None:
    settings.DEBUG = True
    (tmp_path / "base.html").write_text("{% no_such_tag %}")
    [engine] = settings.TEMPLATES
    settings.TEMPLATES = [engine | {"DIRS": [tmp_path, *engine["DIRS"]]}]
    page = Http(raise_request_exception=False).get("/")
    assert page.status_code == 500
    assert "no_such_tag" in page.content.decode()


def test_an_error_page_names_the_request_as_the_log_does(http: Http) -> None:
    token = request_id.set("0123456789abcdef")
    try:
        text = http.get("/nowhere").content.decode()
    finally:
        request_id.reset(token)
    assert '<code id="request-id">0123456789abcdef</code>' in text
