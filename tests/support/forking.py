"""Python processes that tests start: forked by `tests.support.preloaded` where that is safe."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.preloaded import Command

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
CAN_FORK = sys.platform == "linux"
"""In a forked process the system libraries of macOS may crash."""


class Forked:
    """A process that another one has forked, with the methods of `subprocess.Popen` that the tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._has_ended = threading.Event()
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not self._has_ended.wait(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        with self._lock:
            if self.returncode is None:
                with contextlib.suppress(ProcessLookupError):  # it has ended, but nobody has said so yet
                    os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def end(self, code: int) -> None:
        """Called when it is known how it ended."""
        with self._lock:
            self.returncode = code
        self._has_ended.set()


Process = Forked | subprocess.Popen[bytes]
"""A forked one, or a Python of its own."""


class PreloadedPython:
    """One `tests.support.preloaded`; threads may share it."""

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.support.preloaded"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._began: queue.Queue[Forked | None] = queue.Queue()  # None when the parent has ended
        self._running: dict[int, Forked] = {}
        self._beginning = threading.Lock()
        self._listener = threading.Thread(target=self._listen, name="preloaded python", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._parent.pid

    def begin(self, command: Command) -> Forked:
        """Begin a command, and return when its process is there.

        Raises:
            RuntimeError: The Python that forks has ended.
        """
        assert command.words[0] != "-c", "only modules and scripts are forked"
        assert self._parent.stdin is not None
        with self._beginning:
            with contextlib.suppress(BrokenPipeError):  # None follows
                self._parent.stdin.write(json.dumps(dataclasses.asdict(command)) + "\n")
                self._parent.stdin.flush()
            forked = self._began.get(timeout=PATIENCE)
            if forked is None:
                self._began.put(None)  # for the next one
                raise RuntimeError(f"the Python that forks has ended with code {self._parent.wait(PATIENCE)}")
            return forked

    def close(self) -> None:
        """End it, and what still runs of what it has forked."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._parent.stdin.close()
        self._listener.join()
        self._parent.stdout.close()
        self._parent.wait()

    def _listen(self) -> None:
        assert self._parent.stdout is not None
        for line in self._parent.stdout:
            what, pid, *code = line.split()
            if what == "began":
                self._running[int(pid)] = forked = Forked(int(pid))
                self._began.put(forked)
            else:
                self._running.pop(int(pid)).end(int(*code))
        for forked in self._running.values():  # the parent was killed: nobody else would end them
            forked.kill()
            forked.end(-signal.SIGKILL)
        self._began.put(None)


_making = threading.Lock()


def preloaded_python() -> PreloadedPython:
    """The one of this process."""
    with _making:
        return _preloaded_python()


@functools.cache
def _preloaded_python() -> PreloadedPython:
    made = PreloadedPython()
    atexit.register(made.close)
    return made


def logged(words: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path = ROOT) -> Command:
    """A command in the folder of the project, or of a copy; its output is appended to a file."""
    return Command(list(words), dict(environment), str(folder), str(log), str(log))


def begin(command: Command, *, is_forked: bool = True) -> Process:
    """Begin a command; the files for its output are there when this returns.

    Args:
        command: What to run.
        is_forked: Whether to fork it where that is safe; else it is a Python of its own, for those who
            measure it or test how it starts.

    Raises:
        RuntimeError: The Python that forks has ended.
    """
    with open(command.output, "ab") as output, open(command.errors, "ab") as errors:
        if is_forked and CAN_FORK:
            return preloaded_python().begin(command)
        return subprocess.Popen(  # which hands on that SIGINT is ignored
            [sys.executable, *command.words],
            cwd=command.folder,
            env=command.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=command.leads_session,
        )


def run(
    words: Sequence[str],
    environment: Mapping[str, str],
    folder: Path = ROOT,
    *,
    timeout: float = PATIENCE,
    check: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run` does, and capture its output.

    Args:
        words: What would follow `python`: `-m` and a module, or a script, and arguments.
        environment: Its variables, all of them.
        folder: Where it runs, and finds its modules.
        timeout: Seconds that it may take.
        check: Whether it must end with 0.

    Raises:
        subprocess.TimeoutExpired: It took longer; it has been killed.
        subprocess.CalledProcessError: It ended with another code.
    """
    with tempfile.TemporaryDirectory() as name:
        output, errors = Path(name) / "output", Path(name) / "errors"
        process = begin(Command(list(words), dict(environment), str(folder), str(output), str(errors)))
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        done = subprocess.CompletedProcess(list(words), code, output.read_text(), errors.read_text())
    if check:
        done.check_returncode()
    return done
