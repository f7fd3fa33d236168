"""The description of the clients, the assessment of a run, and the page, without any client or server."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.clients import __main__ as command
from tests.clients import catalogue, environments, page, running
from tests.clients.catalogue import BASE, CHECKS, Client, Mode
from tests.clients.running import Result
from tests.support.waiting import eventually

CLIENTS = catalogue.load()


def described(**changes: object) -> Client:
    made: dict[str, object] = {
        "name": "one",
        "title": "One",
        "kind": "python",
        "install": ("one[mcp]==1.2.3", "mcp<2"),
        "driver": "sdk.py",
        "sign_in": "oauth",
        "modes": (Mode("2025-11-25", ("connect",), {"kill": "it gives up"}),),
    }
    return Client(**{**made, **changes})  # type: ignore[arg-type]


def test_every_package_is_pinned_to_one_version() -> None:
    for client in CLIENTS:
        pin = r"[\w.-]+(\[\w+\])?==\d[\w.]*" if client.kind == "python" else r"(@[\w-]+/)?[\w-]+@\d[\w.]*"
        for package in client.install:
            assert re.fullmatch(pin, package), package
        assert client.install[0].endswith(client.version)


def test_every_client_says_how_it_is_configured_and_what_is_expected_of_it() -> None:
    for client in CLIENTS:
        assert client.configured, client.name
        assert bool(client.driver) != bool(client.not_run), client.name
        for mode in client.modes:
            assert "connect" in {*mode.passes, *mode.fails}, (client.name, mode.name)
            assert not set(mode.passes) & set(mode.fails), (client.name, mode.name)
            assert all(mode.fails.values()), (client.name, mode.name)


def test_every_driver_is_used() -> None:
    used = {client.driver for client in CLIENTS}
    helpers = {"play.py", "play.mjs", "full.py", "sdk_auth.py"}
    assert {path.name for path in catalogue.DRIVERS.iterdir() if path.is_file()} == used - {""} | helpers


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('driver = "sdk.py"\n[one.modes.a]\npasses = ["sing"]', "no such check: sing"),
        ('driver = "sdk.py"\n[one.modes.a.fails]\ndance = "no"', "no such check: dance"),
        ('driver = "no.py"', "no such driver: no.py"),
        ("", "needs either a driver or the reason"),
        ('driver = "sdk.py"\nnot_run = "no"', "needs either a driver or the reason"),
    ],
)
def test_a_mistake_in_the_description_is_reported(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "clients.toml"
    file.write_text(
        f'[one]\ntitle = "One"\nkind = "python"\ninstall = ["one==1"]\nsign_in = "oauth"\n{text}\n'
    )
    with pytest.raises(ValueError, match=reason):
        catalogue.load(file)


def found(passed: list[str], failed: dict[str, str] | None = None, error: str = "") -> list[str]:
    expected = Mode("m", ("connect", "echo"), {"kill": "it gives up"})
    return Result("one", "m", "1", "", passed, failed or {}, 1.0, error).surprises(expected)


def test_what_is_described_is_expected() -> None:
    assert found(["connect", "echo"], {"kill": "some words of the client's"}) == []


@pytest.mark.parametrize(
    ("passed", "failed", "error", "surprise"),
    [
        (["connect"], {"echo": "no answer", "kill": "x"}, "", "echo failed: no answer"),
        (["connect", "echo", "kill"], {}, "", "kill passed, though it is expected to fail"),
        (["connect", "echo", "roots"], {"kill": "x"}, "", "not described: roots"),
        (["connect", "echo"], {"kill": "x", "cut": "y"}, "", "not described: cut"),
        (["connect", "echo"], {}, "", "kill was not reached"),
        (["connect", "echo"], {"kill": "x"}, "not done in time", "not done in time"),
    ],
)
def test_whatever_differs_from_the_description_is_unexpected(
    passed: list[str], failed: dict[str, str], error: str, surprise: str
) -> None:
    assert found(passed, failed, error) == [surprise]


def test_the_command_fails_on_an_unexpected_result_and_names_it() -> None:
    client = described()
    good = Result("one", "2025-11-25", "1.2.3", "", ["connect"], {"kill": "x"})
    bad = Result("one", "2025-11-25", "1.2.3", "", ["connect"], {})
    assert command.surprises([client], [good]) == []
    assert command.surprises([client], [bad]) == ["one 2025-11-25: kill was not reached"]
    assert command.table([client], [good]).endswith("0 unexpected")


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--only", "no-such-client"])
    assert "no such client: no-such-client" in capsys.readouterr().err


def test_the_list_names_every_client(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [one.name for one in CLIENTS]


def test_the_table_summarizes_what_works() -> None:
    assert page.summary(["connect"]) == "connects"
    assert page.summary(["connect", *BASE, "kill"]) == "base, kill"
    assert page.summary(["connect", "echo", "tools"]) == "tools, echo"
    assert page.summary(["connect", *page.FULL, "cut", "outage 0.3 s", "outage 5 s"]) == (
        "full, cut, outages of 0.3, 5 s"
    )
    assert set(page.FULL) <= set(CHECKS)


def test_an_environment_is_kept_until_its_pins_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[list[str]] = []
    monkeypatch.setattr(environments, "_run", lambda command, folder, seconds: installed.append(command))
    environments.prepare(described(), tmp_path)
    before = len(installed)
    assert before
    environments.prepare(described(), tmp_path)
    assert len(installed) == before
    environments.prepare(described(install=("one==1.2.4",)), tmp_path)
    assert len(installed) == 2 * before


@pytest.mark.slow
def test_an_installation_that_takes_too_long_ends_with_all_that_it_started(tmp_path: Path) -> None:
    file = tmp_path / "child"
    script = f"""
import subprocess

process = subprocess.Popen(["sleep", "60"])
open({str(file)!r}, "w").write(str(process.pid))
process.wait()
"""
    with pytest.raises(environments.InstallError, match="not installed within 2 s"):
        environments._run([sys.executable, "-c", script], tmp_path, 2)
    child = int(file.read_text())
    deadline = time.monotonic() + 10
    while _is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_installation_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(environments.InstallError, match="no such package"):
        environments._run([sys.executable, "-c", "import sys; sys.exit('no such package')"], tmp_path, 30)


async def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, seconds: float = 30) -> Result:
    """The result of a driver with these lines, which sends no request to the server."""
    (tmp_path / "driver.py").write_text(driver)
    monkeypatch.setattr(environments, "interpreter", lambda client, environment: sys.executable)
    monkeypatch.setattr(running, "DRIVERS", tmp_path)
    client = described(driver="driver.py", seconds=seconds)
    nowhere: Any = SimpleNamespace(mcp_url="http://localhost:1/mcp")
    return await running.run(client, client.modes[0], nowhere, tmp_path, tmp_path / "log")


async def test_a_run_keeps_what_a_driver_says_and_leaves_out_what_its_client_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = """
print("a library says hello")
print('@@client {"revision": "2025-11-25"}')
print('@@client {"passed": "connect"}')
print('@@client {"failed": "kill", "reason": "it gives up"}')
print('@@client {"end": true}')
"""
    result = await played(tmp_path, monkeypatch, driver)
    assert (result.revision, result.passed, result.failed) == (
        "2025-11-25",
        ["connect"],
        {"kill": "it gives up"},
    )
    assert result.error == ""
    assert "a library says hello" in (tmp_path / "log").read_text()


async def test_a_driver_that_ends_silently_is_an_unexpected_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = await played(tmp_path, monkeypatch, "raise SystemExit(1)")
    assert result.error == "the driver ended early"


@pytest.mark.slow
async def test_a_hanging_driver_is_killed_with_all_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = f"""
import subprocess

process = subprocess.Popen(["sleep", "60"])
open({str(tmp_path / "child")!r}, "w").write(str(process.pid))
print('@@client {{"passed": "connect"}}', flush=True)
process.wait()
"""
    result = await played(tmp_path, monkeypatch, driver, seconds=3)
    assert result.passed == ["connect"]
    assert result.error == "not done within 3 s"
    child = int((tmp_path / "child").read_text())
    await eventually(lambda: not _is_alive(child))


async def test_unsupported_requests_of_a_run_fail_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = """
import json

print('@@client {"ask": "sign in", "url": "http://localhost:1/authorize?redirect_uri=x"}', flush=True)
print("@@client " + json.dumps({"failed": "connect", "reason": json.loads(input())["error"]}))
print('@@client {"end": true}')
"""
    result = await played(tmp_path, monkeypatch, driver)
    assert result.failed["connect"].startswith("ConnectError")


async def test_a_client_sees_only_what_it_needs_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_MACHINE", "x")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    driver = """
import json, os

print("@@client " + json.dumps({"failed": "connect", "reason": " ".join(os.environ)}))
print('@@client {"end": true}')
"""
    seen = set((await played(tmp_path, monkeypatch, driver)).failed["connect"].split())
    assert {"ENDPOINT", "HOME", "PATH"} <= seen
    assert not seen & {"A_SECRET_OF_THE_MACHINE", "HTTPS_PROXY"}


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
