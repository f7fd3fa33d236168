"""The program `everything-server`, before it does anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from everything_site import command_line, exit_codes
from everything_site.console.main import main
from tests.support import forking
from tests.support.processes import ROOT

PROGRAM = Path(__file__).with_name("program.py")

pytestmark = pytest.mark.processes


def test_it_is_this_site_also_where_another_project_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    monkeypatch.setattr(sys, "argv", ["everything-server", "--version"])
    main()
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "everything_site.settings"


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the program, with these variables only."""
    return forking.run([str(PROGRAM), *words], {"PATH": os.environ["PATH"], **variables})


def run_alone(
    *words: str, before: str = "", stdout: int = subprocess.PIPE, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the program, after other code, in an interpreter that begins with nothing imported."""
    return subprocess.run(
        [sys.executable, "-c", f"{before}from everything_site.console.main import main; main()", *words],
        env={"PATH": os.environ["PATH"], **variables},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], ["doctor", "--help"]])
def test_a_reader_who_has_seen_enough_is_no_error(words: list[str], tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        outcome = run_alone(*words, stdout=writer, STATE_DIR=str(tmp_path / "state"))
    finally:
        os.close(writer)
    assert (outcome.returncode, outcome.stderr) == (1, "")


HELP = [("--help",), ("prune", "--help")]
CLIENT = ("doctor", "http://localhost:1/mcp", "--json")
READERS = [("settings",), ("server_json",), ("sessions",), ("activity",)]


@pytest.mark.parametrize("words", [*HELP, CLIENT, *READERS], ids=" ".join)
def test_what_stores_nothing_leaves_nothing_and_needs_no_folder_that_can_be_written(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    here = run(*words, XDG_STATE_HOME=str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    nowhere = run(*words, XDG_STATE_HOME="/proc/nope")
    assert nowhere.returncode == here.returncode
    assert nowhere.returncode == (1 if words in (CLIENT, ("sessions",), ("activity",)) else 0), here.stderr
    assert "cannot be used" not in nowhere.stderr
    if words == CLIENT:
        assert json.loads(nowhere.stdout)["faults"] == 1
    elif words in (("sessions",), ("activity",)):
        assert "Redis cannot be reached" in nowhere.stderr


@pytest.mark.parametrize("words", [("--help",), CLIENT], ids=" ".join)
def test_a_client_and_help_depend_neither_on_the_state_nor_on_the_settings_of_another_project(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / ".env").write_text("not readable")
    outcome = run(
        *words, STATE_DIR=str(tmp_path), DATABASE_URL="mysql://other", SECRET_KEY="short", DEBUG="no"
    )
    assert outcome.returncode == (1 if words == CLIENT else 0), outcome.stderr
    assert outcome.stdout


def test_a_reader_uses_the_state_that_there_is_if_it_is_private(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=4321")
    tmp_path.chmod(0o700)
    assert "PORT=4321" in run("settings", STATE_DIR=str(tmp_path)).stdout
    assert [path.name for path in tmp_path.iterdir()] == [".env"]
    tmp_path.chmod(0o755)
    assert run("settings", STATE_DIR=str(tmp_path)).returncode == exit_codes.NO_STATE


def test_without_any_home_the_variable_is_named() -> None:
    forget_home = "import os; os.environ.pop('HOME', 0); import pwd; pwd.getpwuid = lambda uid: {}[uid]; "
    outcome = run_alone("prune", before=forget_home)
    assert (outcome.returncode, "STATE_DIR" in outcome.stderr) == (exit_codes.NO_STATE, True)
    assert "Traceback" not in outcome.stderr
    assert run_alone(*CLIENT, before=forget_home).returncode == 1
    assert "  doctor " in run_alone("--help", before=forget_home).stdout


def test_help_is_shown_where_nothing_else_is_asked_for_and_of_a_command() -> None:
    assert run().stdout == run("--help").stdout != ""
    assert "--as NAME" in run("doctor", "--help").stdout


def test_every_command_is_known_to_store_something_or_nothing() -> None:
    listed = {line.split()[0] for line in run("--help").stdout.splitlines() if line.startswith("  ")}
    stores = {"run", "changepassword", "createsuperuser", "prune", "test_account"}
    assert listed == stores | (command_line.READERS - {"help"})
