"""`manage.py settings`: values and purposes of all variables, without secrets."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from everything_site import env
from everything_site.conf import FROM_ENVIRONMENT

SECRET = "p4ssw0rd-of-mine-" + "x" * 40


def listed(*arguments: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("settings", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_it_lists_every_variable_with_its_value_and_help() -> None:
    found = listed()
    assert [entry["variable"] for entry in found] == [setting.variable for setting in FROM_ENVIRONMENT]
    assert all(entry["help"] for entry in found)
    [lease] = listed("mcp_lease")
    assert (lease["value"], lease["default"], lease["changed"]) == ("10", "10", False)


def test_it_lists_what_is_changed_by_a_variable_or_in_python(settings: Any, tmp_path: Path) -> None:
    settings.ENV = env.read(tmp_path, {"HSTS_SECONDS": "7"})
    settings.MCP_LEASE_SECONDS = 20
    settings.MCP_METRICS_PATH = "/metrics"  # as the variables have it
    settings.OAUTH_RATE_LIMITS = {"token": "1/minute"}
    found = {entry["variable"]: entry["value"] for entry in listed("--changed")}
    assert found == {"HSTS_SECONDS": "7", "MCP_LEASE_SECONDS": "20", "OAUTH_RATE_LIMITS": "token=1/minute"}


def test_it_says_when_no_setting_has_a_name() -> None:
    with pytest.raises(CommandError, match="No setting has nosuch in its name"):
        call_command("settings", "nosuch", stdout=StringIO())


def test_it_says_when_every_setting_has_its_default() -> None:
    out = StringIO()
    call_command("settings", "mcp_lease", "--changed", stdout=out)
    assert out.getvalue() == "Every setting has its default.\n"


def test_the_url_of_the_authorization_server_follows_that_of_this_one() -> None:
    [entry] = listed("auth_server_url")
    assert entry["default"].startswith("`BASE_URI`; in separate mode")


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_it_shows_no_secret(settings: Any, tmp_path: Path, arguments: list[str]) -> None:
    settings.ENV = env.read(
        tmp_path,
        {
            "SECRET_KEY": SECRET,
            "SECRET_KEY_FALLBACKS": SECRET,
            "REDIS_URL": f"redis://:{SECRET}@host/0",
            "DATABASE_URL": f"postgres://me:{SECRET}@host/name",
        },
    )
    settings.MCP_INTROSPECTION_CLIENT_SECRET = SECRET
    out = StringIO()
    call_command("settings", *arguments, stdout=out)
    assert SECRET not in out.getvalue()
    assert "INTROSPECTION_CLIENT_SECRET" in out.getvalue()
    assert "@host/name" in out.getvalue()
