"""System checks of the machine, and of settings that depend on each other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks

from everything_site.checks import (
    check_env_file,
    check_fixtures,
    check_own_host,
    check_redis,
    check_resource_urls,
    check_temporary_folder,
)
from mcp_app import valkey


def ids(check: Callable[[Any], list[CheckMessage]] = check_temporary_folder) -> list[str | None]:
    return [message.id for message in check(None)]


def test_the_project_passes() -> None:
    assert [message for message in run_checks() if (message.id or "").startswith("everything_site")] == []


def test_a_temporary_folder_that_can_be_written_is_fine() -> None:
    assert ids() == []


def test_a_missing_temporary_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert ids() == ["everything_site.E001"]


def test_the_lack_of_any_temporary_folder_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def gettempdir() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", gettempdir)
    assert ids() == ["everything_site.E001"]
    (message,) = check_temporary_folder(None)
    assert "TMPDIR" in (message.hint or "")


def test_a_full_or_read_only_temporary_folder_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert ids() == ["everything_site.E001"]


@pytest.mark.parametrize(
    "url", ["http://elsewhere:3232/mcp", "http://localhost:32320/mcp", "http://localhost:3232"]
)
@pytest.mark.parametrize("name", ["MCP_RESOURCE_URL", "MCP_SSE_RESOURCE_URL"])
def test_a_resource_url_that_is_served_elsewhere(settings: Any, name: str, url: str) -> None:
    setattr(settings, name, url)
    assert ids(check_resource_urls) == ["everything_site.E002"]


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        (["mcp.example.com"], []),
        ([".example.com"], []),
        (["*"], []),
        (["other.example.com"], ["everything_site.W003"]),
        (["auth.example.com"], ["everything_site.W003"]),
    ],
)
def test_it_is_pointed_out_that_the_host_of_the_public_url_is_not_answered_to(
    settings: Any, hosts: list[str], found: list[str]
) -> None:
    settings.BASE_URI = "https://mcp.example.com:8443"
    settings.AUTH_SERVER_URL = "https://auth.example.com"
    settings.ALLOWED_HOSTS = hosts
    assert ids(check_own_host) == found
    settings.IS_SEPARATE = True  # the file may be for the authorization server alone
    assert ids(check_own_host) == (found if "auth" not in hosts[0] else [])


def test_the_embedded_redis_is_for_development_only(settings: Any) -> None:
    settings.REDIS_URL = valkey.default_url(settings.BASE_DIR)
    assert ids(check_redis) == ["everything_site.E003"]
    settings.DEBUG = True
    assert ids(check_redis) == []


def test_fixtures_are_not_for_production(settings: Any) -> None:
    settings.CONFORMANCE_FIXTURES = False
    assert ids(check_fixtures) == []
    settings.CONFORMANCE_FIXTURES = True
    assert ids(check_fixtures) == ["everything_site.W002"]


@pytest.mark.parametrize(("mode", "found"), [(0o644, ["everything_site.W004"]), (0o640, []), (0o600, [])])
def test_an_env_file_that_others_may_read_is_pointed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, found: list[str]
) -> None:
    path = tmp_path / "production.env"
    path.write_text("SECRET_KEY=secret\n")
    path.chmod(mode)
    monkeypatch.setenv("ENV_FILE", str(path))
    assert ids(check_env_file) == found


@pytest.mark.parametrize("name", ["missing.env", os.devnull])
def test_without_an_env_file_nobody_can_read_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("ENV_FILE", name)
    assert ids(check_env_file) == []
