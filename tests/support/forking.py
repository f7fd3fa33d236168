"""Processes that `tests.support.preloaded` forks: what its client knows of them."""

from __future__ import annotations

import atexit
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
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def end(self, code: int) -> None:
        """Called when its parent has said how it ended."""
        with self._lock:
            self.returncode = code
        self._has_ended.set()


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
        self._began: queue.Queue[Forked] = queue.Queue()
        self._running: dict[int, Forked] = {}
        self._beginning = threading.Lock()
        self._listener = threading.Thread(target=self._listen, name="preloaded python", daemon=True)
        self._listener.start()

    def begin(self, command: Command) -> Forked:
        """Begin a command, and return when its process is there."""
        assert self._parent.stdin is not None
        with self._beginning:
            self._parent.stdin.write(json.dumps(dataclasses.asdict(command)) + "\n")
            self._parent.stdin.flush()
            return self._began.get(timeout=PATIENCE)

    def close(self) -> None:
        """End it; its processes stay."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
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


@functools.cache
def preloaded_python() -> PreloadedPython:
    """The one of this process."""
    made = PreloadedPython()
    atexit.register(made.close)
    return made


def begin(words: Sequence[str], environment: Mapping[str, str], log: Path) -> Forked:
    """Begin a command in the folder of the project; what it says is appended to a file."""
    return preloaded_python().begin(Command(list(words), dict(environment), str(ROOT), str(log), str(log)))


def run(
    words: Sequence[str],
    environment: Mapping[str, str],
    folder: Path = ROOT,
    *,
    timeout: float = PATIENCE,
    check: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run` does, and capture what it prints.

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
        process = preloaded_python().begin(
            Command(list(words), dict(environment), str(folder), str(output), str(errors))
        )
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
