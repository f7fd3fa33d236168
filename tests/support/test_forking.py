"""A forked command is like one that `python` has started."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.forking import preloaded_python, run
from tests.support.preloaded import Command
from tests.support.waiting import eventually

pytestmark = pytest.mark.processes

TELLS = """
import atexit, os, sys, warnings
atexit.register(print, "at exit")
print(__name__, sys.argv[1:], sorted(os.environ), os.getcwd() == sys.path[0], sys.stdin.read() == "")
print([name for name in sys.modules if name.partition(".")[0] in {"everything_site", "mcp_app", "oauth_app"}])
warnings.warn("look", ResourceWarning)
raise SystemExit(3)
"""
WAITS = "import signal; print('begun', flush=True); signal.pause()"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.py"


@pytest.fixture
def waiting(script: Path) -> Path:
    script.write_text(WAITS)
    return script


def test_it_has_its_own_words_environment_folder_and_end(script: Path) -> None:
    script.write_text(TELLS)
    done = run([str(script), "one", "two"], {"ONLY": "this"}, script.parent)
    assert done.returncode == 3
    assert done.stdout.splitlines() == ["__main__ ['one', 'two'] ['ONLY'] True True", "[]", "at exit"]
    assert done.stderr == ""


def test_it_shows_the_warnings_that_its_environment_asks_for(script: Path) -> None:
    script.write_text(TELLS)
    assert "look" in run([str(script)], {"PYTHONWARNINGS": "default"}, script.parent).stderr


def test_an_error_ends_it_with_a_traceback(script: Path) -> None:
    script.write_text("1 / 0")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run([str(script)], {}, script.parent, check=True)
    assert failed.value.returncode == 1
    assert failed.value.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_a_module_is_run_with_its_arguments(tmp_path: Path) -> None:
    assert run(["-m", "json.tool", "--help"], os.environ, tmp_path, check=True).stdout.startswith("usage: ")


def test_one_that_takes_too_long_is_killed(waiting: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run([str(waiting)], {}, waiting.parent, timeout=0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
async def test_a_signal_ends_it(waiting: Path, number: signal.Signals) -> None:
    output = waiting.with_name("output")
    command = Command([str(waiting)], {}, str(waiting.parent), str(output), os.devnull)
    forked = preloaded_python().begin(command)
    await eventually(lambda: output.exists() and "begun" in output.read_text())
    assert forked.poll() is None
    forked.send_signal(number)
    assert forked.wait(30) == -number
    assert forked.poll() == -number
    forked.send_signal(number)  # to nobody
