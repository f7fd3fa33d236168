"""A fresh checkout, as after `git clone`: its own folder, no `.env`, no database."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from mcp_app import valkey
from tests.support import forking
from tests.support.forking import Process
from tests.support.preloaded import Command
from tests.support.processes import free_port, migrated_database

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("everything_site", "fakeupstream", "mcp_app", "oauth_app", "templates", "manage.py")
PATIENCE = 45.0


def eventually(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something has happened, but not forever."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.05)


def processes_of(folder: Path) -> set[int]:
    """Every process that works in a folder or was started with its path."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
                is_here = (entry / "cwd").readlink() == folder or str(folder) in words
                if state != "Z" and is_here:
                    found.add(int(entry.name))
    return found


@dataclass
class Checkout:
    """The folder, and the command that runs in it."""

    folder: Path
    port: int
    command: Process | None = None
    log: str = "output.txt"

    @property
    def output(self) -> str:
        return (self.folder / self.log).read_text()

    @property
    def socket_folder(self) -> Path:
        return Path(valkey.default_url(self.folder).removeprefix("unix://")).parent

    @property
    def leftovers(self) -> list[Path]:
        """What the command should clean up: everything but the database and the development key."""
        beside_database = [path for path in self.folder.glob("db.sqlite3*") if path.suffix != ".sqlite3"]
        return beside_database + [path for path in [self.socket_folder] if path.exists()]

    @property
    def processes(self) -> set[int]:
        return processes_of(self.folder) | processes_of(self.socket_folder)

    @property
    def is_ready(self) -> bool:
        return self.answers("/readyz")

    def answers(self, path: str) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def runserver(self, *arguments: str, **environment: str) -> None:
        """Start it and return when it is ready to serve."""
        self.start(*arguments, **environment)
        eventually(lambda: self.is_ready or self.has_ended, "the server is ready")
        assert self.is_ready, self.output

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end."""
        return self.run("manage.py", *arguments, **environment)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python to its end."""
        return forking.run(
            arguments, {"PATH": os.environ["PATH"], **environment}, self.folder, timeout=PATIENCE
        )

    def start(self, *arguments: str, **environment: str) -> None:
        output = self.folder / self.log
        output.write_bytes(b"")
        self.command = forking.begin(
            Command(
                ["manage.py", "runserver", *arguments],
                {
                    "PATH": os.environ["PATH"],
                    "PORT": str(self.port),
                    "PYTHONUNBUFFERED": "1",
                    **environment,
                },
                str(self.folder),
                output=str(output),
                errors=str(output),
                leads_session=True,
                ignores_interrupt=signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
            )
        )

    @property
    def has_ended(self) -> bool:
        return self.command is not None and self.command.poll() is not None

    def send(self, number: signal.Signals, *, to_all: bool = False) -> None:
        """Send a signal to the command, or to its whole process group as a terminal does at Ctrl-C."""
        assert self.command is not None
        (os.killpg if to_all else os.kill)(self.command.pid, number)


@contextlib.contextmanager
def checkout(folder: Path, *, migrated: bool = False) -> Iterator[Checkout]:
    """A checkout in an empty folder; with `migrated` its database has all tables and nothing in them."""
    for part in PARTS:  # with compiled modules, as every checkout has them after its first command
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part)
        else:
            shutil.copy2(source, folder / part)
    if migrated:
        shutil.copy(migrated_database(), folder / "db.sqlite3")
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)  # this very checkout may be read-only
    made = Checkout(folder, free_port())
    try:
        yield made
    finally:
        for process in made.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if made.command is not None:
            made.command.wait(PATIENCE)
        shutil.rmtree(made.socket_folder, ignore_errors=True)
