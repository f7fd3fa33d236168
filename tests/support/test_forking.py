"""A forked command is like one that `python` has started, and ends with what has asked for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.forking import CAN_FORK, ROOT, Forked, PreloadedPython, begin, logged, run
from tests.support.preloaded import Command
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not CAN_FORK, reason="processes are forked only on Linux"),
]

TELLS = """
import atexit, os, sys, warnings
atexit.register(print, "at exit")
print(__name__, sys.argv[1:], sorted(os.environ), os.getcwd() == sys.path[0], sys.stdin.read() == "")
print([name for name in sys.modules if name.partition(".")[0] in {"everything_site", "mcp_app", "oauth_app"}])
warnings.warn("look", ResourceWarning)
raise SystemExit(3)
"""
WAITS = "import signal; print('begun', flush=True); signal.pause()"
OWNS = """
import signal, sys
from tests.support.forking import begin
from tests.support.preloaded import Command

script, folder, output = sys.argv[1:]
print(begin(Command([script], {}, folder, output, output, leads_session=True)).pid, flush=True)
signal.pause()
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.py"


@pytest.fixture
def waiting(script: Path) -> Path:
    script.write_text(WAITS)
    return script


@pytest.fixture
def another_python() -> Iterator[PreloadedPython]:
    """One that a test may kill."""
    with closing(PreloadedPython()) as made:
        yield made


@contextmanager
def owner(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that forks one, and leads a process group."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNS, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_has_its_own_words_environment_folder_and_end(script: Path) -> None:
    script.write_text(TELLS)
    done = run([str(script), "one", "two"], {"ONLY": "this"}, script.parent)
    assert done.returncode == 3
    assert done.stdout.splitlines() == ["__main__ ['one', 'two'] ['ONLY'] True True", "[]", "at exit"]
    assert done.stderr == ""


def test_it_shows_the_warnings_that_its_environment_asks_for(script: Path) -> None:
    script.write_text(TELLS)
    assert "look" in run([str(script)], {"PYTHONWARNINGS": "default"}, script.parent).stderr


@pytest.mark.parametrize(
    ("environment", "is_kept"),
    [({}, True), ({"PYTHONDONTWRITEBYTECODE": "1"}, False)],
    ids=["kept", "not kept"],
)
def test_it_keeps_compiled_modules_unless_its_environment_forbids_it(
    script: Path, environment: dict[str, str], is_kept: bool
) -> None:
    script.with_name("imported.py").touch()
    script.write_text("import imported")
    run([str(script)], environment, script.parent, check=True)
    assert (script.parent / "__pycache__").exists() is is_kept


def test_an_error_ends_it_with_a_traceback(script: Path) -> None:
    script.write_text("1 / 0")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run([str(script)], {}, script.parent, check=True)
    assert failed.value.returncode == 1
    assert failed.value.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_a_module_is_run_with_its_arguments(tmp_path: Path) -> None:
    assert run(["-m", "json.tool", "--help"], os.environ, tmp_path, check=True).stdout.startswith("usage: ")


def test_a_program_among_the_words_is_refused_instead_of_taken_for_a_script(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="only modules and scripts are forked"):
        run(["-c", "pass"], {}, tmp_path)


def test_one_that_takes_too_long_is_killed(waiting: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run([str(waiting)], {}, waiting.parent, timeout=0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
async def test_a_signal_ends_it(waiting: Path, number: signal.Signals) -> None:
    output = waiting.with_name("output")
    command = Command([str(waiting)], {}, str(waiting.parent), str(output), os.devnull)
    forked = begin(command)
    await eventually(lambda: output.exists() and "begun" in output.read_text())
    assert forked.poll() is None
    forked.send_signal(number)
    assert forked.wait(30) == -number
    assert forked.poll() == -number
    forked.send_signal(number)  # to nobody


def test_a_signal_to_one_whose_end_is_not_known_yet_goes_to_nobody() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    Forked(process.pid).send_signal(signal.SIGCONT)


@pytest.mark.parametrize("is_forked", [True, False])
def test_its_output_is_appended_to_a_file_that_is_there_at_once(script: Path, is_forked: bool) -> None:
    script.write_text(
        "import sys; print('said'); sys.stdout.flush(); print(sys.stdin.read(), file=sys.stderr)"
    )
    log = script.with_name("log")
    for before in ("", "said\n\n"):
        process = begin(logged([str(script)], {}, log), is_forked=is_forked)
        assert log.read_text().startswith(before)
        assert process.wait(30) == 0
    assert log.read_text() == "said\n\nsaid\n\n"


async def test_when_the_python_that_forks_is_killed_its_processes_end_and_none_begins(
    another_python: PreloadedPython, waiting: Path
) -> None:
    command = Command([str(waiting)], {}, str(waiting.parent), os.devnull, os.devnull)
    forked = another_python.begin(command)
    os.kill(another_python.pid, signal.SIGKILL)
    assert forked.wait(30) == -signal.SIGKILL
    for _ in range(2):
        with pytest.raises(RuntimeError, match="has ended with code -9"):
            another_python.begin(command)
    await eventually(lambda: not is_there(forked.pid))


@pytest.mark.parametrize(
    ("send", "number"),
    [(os.kill, signal.SIGKILL), (os.killpg, signal.SIGTERM)],
    ids=["killed", "terminated as a group"],
)
async def test_it_ends_with_the_process_that_began_it(waiting: Path, send: Any, number: int) -> None:
    output = waiting.with_name("output")
    with owner(str(waiting), str(waiting.parent), str(output)) as process:
        assert process.stdout is not None
        forked = int(process.stdout.readline())
        await eventually(lambda: "begun" in output.read_text())
        assert is_there(forked)
        send(process.pid, number)
        await eventually(lambda: not is_there(forked))
