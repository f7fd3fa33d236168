"""When something cannot start: one message that says what to set, and no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from django.db import connection

from everything_site import exit_codes
from tests.everything_site.checkout import Checkout, checkout
from tests.support.processes import empty_database, needs_proc

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240), needs_proc]

NO_FOLDER = "sqlite:////nowhere/db.sqlite3"
NO_SERVER = "postgres://me@127.0.0.1:1/name"
COMMANDS = [["check"], ["runserver"], ["runserver", "--noreload"], ["sessions"], ["migrate"]]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    with checkout(tmp_path_factory.mktemp("checkout")) as made:
        yield made


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_wrong_variable_is_one_line_whatever_the_command(fresh: Checkout, command: list[str]) -> None:
    outcome = fresh.manage(*command, SECRET_KEY="change-me")
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines() == ["SECRET_KEY must be at least 32 characters long."]
    assert outcome.stdout == ""


@pytest.mark.parametrize(
    ("application", "variables"),
    [
        ("asgi", {"BASE_URI": "nonsense"}),
        ("auth_asgi", {"DEBUG": "maybe"}),
        ("asgi", {"SECRET_KEY": "short"}),
    ],
)
def test_a_wrong_variable_is_one_line_whatever_the_server(
    fresh: Checkout, application: str, variables: dict[str, str]
) -> None:
    server = ["-m", "daphne", "-p", str(fresh.port), f"everything_site.{application}:application"]
    outcome = fresh.run(*server, **variables)
    assert outcome.returncode == 1
    assert len(outcome.stderr.splitlines()) == 1
    assert outcome.stderr.startswith(next(iter(variables)))


PRODUCTION = {"BASE_URI": "https://mcp.example.com", "SECRET_KEY": "x" * 50}
IN_PRODUCTION = PRODUCTION | {"REDIS_URL": "redis://127.0.0.1:1/0"}
SEPARATE = {
    "AUTH_MODE": "separate",
    "AUTH_SERVER_URL": "https://auth.example.com",
    "INTROSPECTION_CLIENT_ID": "mcp-server",
    "INTROSPECTION_CLIENT_SECRET": "x" * 40,
}
COUNTED = """
import sys
from everything_site.demo.server import build as build_demo

def build(engine):
    print("building", file=sys.stderr)
    return build_demo(engine)
"""


@pytest.mark.parametrize(
    ("variables", "check"),
    [
        (IN_PRODUCTION | {"MCP_LEASE_SECONDS": "600"}, "mcp_app.E004"),
        (IN_PRODUCTION | {"MCP_EVENT_LOG_BYTES": "10"}, "mcp_app.E009"),
        (IN_PRODUCTION | {"MCP_SERVER": "nowhere.build"}, "mcp_app.E002"),
        (IN_PRODUCTION | {"MCP_REQUIRED_SCOPES": "foo"}, "mcp_app.E014"),
        (PRODUCTION, "everything_site.E003"),
    ],
)
def test_settings_that_contradict_each_other_stop_a_server_with_one_line(
    fresh: Checkout, variables: dict[str, str], check: str
) -> None:
    outcome = fresh.run("-m", "everything_site.asgi", **variables)
    assert outcome.returncode == 1
    [line] = outcome.stderr.splitlines()
    assert check in line


@pytest.mark.parametrize("application", ["asgi", "auth_asgi"])
@pytest.mark.parametrize(
    "variables", [{}, {"BASE_URI": "http://localhost:3232"}, {"BASE_URI": "http://[::1]"}]
)
def test_no_server_but_runserver_turns_debug_on_by_itself(
    fresh: Checkout, application: str, variables: dict[str, str]
) -> None:
    separate = {"AUTH_MODE": "separate"} if application == "auth_asgi" else {}
    outcome = fresh.run("-m", f"everything_site.{application}", **variables, **separate)
    assert outcome.returncode == 1
    [line] = outcome.stderr.splitlines()
    assert "would run with DEBUG: set BASE_URI" in line


@pytest.mark.parametrize(("application", "mode"), [("asgi", "integrated"), ("auth_asgi", "separate")])
def test_any_server_has_debug_on_where_that_is_asked_for(
    fresh: Checkout, application: str, mode: str
) -> None:
    outcome = fresh.run("-m", f"everything_site.{application}", AUTH_MODE=mode, DEBUG="true")
    assert "process started" in outcome.stderr, outcome.stderr


def test_plain_http_on_a_public_address_is_one_line_for_each_url(fresh: Checkout) -> None:
    outcome = fresh.run("-m", "everything_site.asgi", **IN_PRODUCTION | {"BASE_URI": "http://10.1.2.3"})
    assert outcome.returncode == 1
    issuer, resource = sorted(outcome.stderr.splitlines())
    assert "AUTH_SERVER_URL" in issuer
    assert "MCP_RESOURCE_URL" in resource
    assert all("must be an https URL" in line for line in (issuer, resource))


def test_a_warning_does_not_stop_a_server_and_one_about_deployments_is_not_logged(fresh: Checkout) -> None:
    variables = IN_PRODUCTION | {"ALLOWED_HOSTS": "proxy.internal", "CONFORMANCE_FIXTURES": "true"}
    outcome = fresh.run("-m", "everything_site.asgi", **variables)
    assert outcome.returncode == 0, outcome.stderr
    *warnings, started = map(json.loads, outcome.stderr.splitlines())
    assert [warning["check"] for warning in warnings] == ["everything_site.W003"]
    assert started["message"] == "process started"


def test_the_authorization_server_starts_without_redis(fresh: Checkout) -> None:
    """It needs it for rate limits and announcements only, both of which it can do without."""
    outcome = fresh.run("-m", "everything_site.auth_asgi", **PRODUCTION, **SEPARATE)
    assert outcome.returncode == 0, outcome.stderr
    warning, started = map(json.loads, outcome.stderr.splitlines())
    assert (warning["message"], warning["check"]) == ("questionable setting", "everything_site.E003")
    assert started["message"] == "process started"
    assert fresh.run("-m", "everything_site.asgi", **PRODUCTION, **SEPARATE).returncode == 1


def test_an_issuer_of_another_vendor_may_be_plain_http_in_a_private_network(fresh: Checkout) -> None:
    vendor = {"AUTH_MODE": "separate", "AUTH_SERVER_URL": "http://keycloak.internal:8080", "DEBUG": "true"}
    outcome = fresh.run("-m", "everything_site.asgi", **vendor)
    assert "process started" in outcome.stderr, outcome.stderr
    outcome = fresh.run("-m", "everything_site.auth_asgi", **vendor)
    assert outcome.returncode == 1
    [line] = outcome.stderr.splitlines()
    assert "AUTH_SERVER_URL must be https" in line


def test_a_start_builds_the_server_once(fresh: Checkout) -> None:
    (fresh.folder / "counted.py").write_text(COUNTED)
    outcome = fresh.run("-m", "everything_site.asgi", **IN_PRODUCTION, MCP_SERVER="counted.build")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr.splitlines().count("building") == 1


@pytest.mark.parametrize(("application", "mode"), [("asgi", "integrated"), ("auth_asgi", "separate")])
def test_a_server_logs_how_it_started_and_which_variable_looks_misspelt(
    fresh: Checkout, application: str, mode: str
) -> None:
    variables = IN_PRODUCTION | {"MCP_LEASE_SECOND": "5"} | (SEPARATE if mode == "separate" else {})
    outcome = fresh.run("-m", f"everything_site.{application}", **variables)
    assert outcome.returncode == 0, outcome.stderr
    questionable, started = map(json.loads, outcome.stderr.splitlines())
    assert (questionable["message"], questionable["level"]) == ("questionable setting", "warning")
    assert "MCP_LEASE_SECONDS" in questionable["reason"]
    assert started["message"] == "process started"
    assert (started["mode"], started["base_uri"]) == (mode, "https://mcp.example.com")
    assert started["version"]


def test_a_traceback_is_shown_on_request(fresh: Checkout) -> None:
    assert "Traceback" in fresh.manage("check", "--traceback", DEBUG="maybe").stderr


@pytest.mark.parametrize(
    "command",
    [
        ["createsuperuser", "--noinput", "--username=a", "--email=a@example.com"],
        ["prune"],
        ["register_resource_server"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_before_migrate_reports_it(fresh: Checkout, command: list[str]) -> None:
    separate = {"AUTH_MODE": "separate"} if command[0] == "register_resource_server" else {}
    outcome = fresh.manage(*command, **separate)
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines() == [
        "The database lacks tables of this version: run `python manage.py migrate` first."
    ]


@pytest.mark.parametrize(
    ("command", "url"),
    [
        (["migrate"], NO_FOLDER),
        (["migrate"], NO_SERVER),
        (["runserver"], NO_FOLDER),
        (["runserver", "--noreload"], NO_SERVER),
        (["prune"], NO_SERVER),
    ],
)
def test_an_unreachable_database_is_reported_before_anything_starts(
    fresh: Checkout, command: list[str], url: str
) -> None:
    outcome = fresh.manage(*command, DATABASE_URL=url, PORT=str(fresh.port))
    assert outcome.returncode == (exit_codes.NO_STATE if command[0] == "runserver" else exit_codes.FAILED)
    assert "DATABASE_URL" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert len(outcome.stderr.splitlines()) <= 3
    assert not fresh.socket_folder.exists()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="TEST_DATABASE_URL names no PostgreSQL")
@pytest.mark.parametrize("command", [["migrate"], ["runserver", "--noreload"]])
@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("role=pg_read_all_data", "permission denied for schema public"),
        ("default_transaction_read_only=on", "cannot execute CREATE TABLE in a read-only transaction"),
    ],
)
def test_the_reason_why_tables_cannot_be_created_is_shown(
    fresh: Checkout, command: list[str], option: str, reason: str
) -> None:
    with empty_database(fresh.folder) as url:
        forbidden = f"{url}?options={quote(f'-c {option}')}"
        outcome = fresh.manage(*command, DATABASE_URL=forbidden, PORT=str(fresh.port))
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines() == [reason, "Check DATABASE_URL."]


def test_sessions_says_what_to_start_where_nothing_runs(fresh: Checkout) -> None:
    outcome = fresh.manage("sessions")
    assert outcome.returncode == 1
    assert "manage.py runserver" in outcome.stderr
    assert "REDIS_URL" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_command_whose_reader_has_seen_enough_ends_quietly(fresh: Checkout) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    outcome = subprocess.run(
        [sys.executable, "manage.py", "settings"],
        cwd=fresh.folder,
        env={"PATH": os.environ["PATH"]},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (outcome.returncode, outcome.stderr) == (1, "")


def test_static_files_can_be_collected(fresh: Checkout) -> None:
    production = {"BASE_URI": "https://mcp.example.com", "SECRET_KEY": "x" * 50}
    outcome = fresh.manage("collectstatic", "--noinput", **production)
    assert outcome.returncode == 0, outcome.stderr
    assert (fresh.folder / "staticfiles" / "style.css").is_file()
    assert (fresh.folder / "staticfiles" / "admin").is_dir()
