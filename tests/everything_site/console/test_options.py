"""The options of `everything-server run`, and what they set."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from everything_site.console import options

FOLDER = Path("/state")


def test_without_options_it_serves_at_the_port_of_the_variable_or_3232() -> None:
    given = options.parsed([])
    assert options.variables(given, FOLDER, {}) == {"STATE_DIR": "/state", "PORT": "3232"}
    assert options.variables(given, FOLDER, {"PORT": "4000"})["PORT"] == "4000"
    assert options.variables(options.parsed(["--port", "5000"]), FOLDER, {"PORT": "4000"})["PORT"] == "5000"


def test_port_0_is_any_free_port() -> None:
    port = int(options.variables(options.parsed(["--port", "0"]), FOLDER, {})["PORT"])
    socket.create_server(("127.0.0.1", port)).close()


def test_an_address_of_another_computer_has_the_exit_code_of_a_port_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        options.variables(options.parsed(["--port", "0", "--host", "203.0.113.1"]), FOLDER, {})
    assert end.value.code == 3
    assert "203.0.113.1 cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--port", "65536"], ["--port", "-1"], ["--port", "http"], ["--token", "alice"], ["--nonsense"]]
)
def test_wrong_arguments_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        options.parsed(words)
    assert end.value.code == 2


@pytest.mark.parametrize("port", ["65536", "http", "-1", "\uff11", ""])
def test_a_wrong_port_is_explained(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.parsed([f"--port={port}"])
    assert "argument --port: must be a number from 0 to 65535" in capsys.readouterr().err


def test_fixtures_are_a_setting() -> None:
    found = options.variables(options.parsed(["--fixtures"]), FOLDER, {})
    assert found["CONFORMANCE_FIXTURES"] == "true"


def test_an_ephemeral_server_has_no_rate_limits_and_its_tokens_last_for_a_job() -> None:
    given = options.parsed(["--ephemeral", "--token", "alice", "--token", "bob"])
    assert given.token == ["alice", "bob"]
    found = options.variables(given, FOLDER, {})
    assert (found["RATE_LIMITS"], found["OAUTH_ACCESS_SECONDS"]) == ("false", "86400")
    found = options.variables(given, FOLDER, {"OAUTH_ACCESS_SECONDS": "60"})
    assert found["OAUTH_ACCESS_SECONDS"] == "60"


@pytest.mark.parametrize(("words", "is_kept"), [(["--ephemeral"], False), ([], True)])
def test_only_an_ephemeral_server_ignores_the_variables_of_another_project(
    words: list[str], is_kept: bool
) -> None:
    process = {"DATABASE_URL": "postgres://other", "PORT": "4000"}
    options.apply(options.parsed(words), FOLDER, process)
    assert ("DATABASE_URL" in process) is is_kept
    assert (process["STATE_DIR"], process["PORT"]) == ("/state", "4000" if is_kept else "3232")


def test_variables_of_another_project_are_forgotten_and_ours_are_not() -> None:
    kept = {"MCP_CACHE_SECONDS": "1", "OAUTH_ACCESS_SECONDS": "60", "HOME": "/home", "PATH": "/bin"}
    kept["CLIENT_ID_METADATA_DOCUMENTS"] = "false"
    others = dict.fromkeys(["DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SECRET_KEY_FILE", "DEBUG"], "x")
    others |= dict.fromkeys(["BASE_URI", "ENV_FILE", "ALLOWED_HOSTS", "AUTH_MODE", "PORT", "STATE_DIR"], "x")
    process = kept | others
    options.forget_other_settings(process)
    assert process == kept
