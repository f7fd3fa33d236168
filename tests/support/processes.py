"""Real server processes: Daphne as in production, with a Redis and a database of their own."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import itertools
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
from psycopg import sql

from tests.support import forking, redis_servers
from tests.support.folders import short_folder
from tests.support.forking import Process
from tests.support.run import SHARED

ROOT = Path(__file__).resolve().parents[2]
STARTUP_SECONDS = 30
STOP_SECONDS = 15
SQLITE = "sqlite:///"
PORTS = range(20_000, 32_768)  # below those that Linux, macOS and Windows give to outgoing connections

needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")


def free_port() -> int:
    """A port that is unused, and that nobody takes before a server listens there.

    Outgoing connections have other ports, the other workers of pytest have theirs, and this process is given
    each of its own ports once before one comes again.
    """
    for port in itertools.islice(_own_ports(), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"none of 100 ports of {PORTS} is free")


@functools.cache
def _own_ports() -> Iterator[int]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    count = os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    ports = ports_of(int(worker.removeprefix("gw")), int(count))
    return itertools.cycle(random.SystemRandom().sample(ports, len(ports)))


def ports_of(worker: int, count: int) -> range:
    """The ports of one of several workers, which are numbered from 0."""
    return PORTS[worker % count :: count]  # one that replaces another has a higher number


@dataclass
class Installation:
    """One installation of the project: the environment that its processes share.

    `base_uri` is where clients find it: a proxy's address when there are several processes.
    """

    environment: dict[str, str]
    folder: Path

    def run(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a management command and return what it printed."""
        return forking.run(["manage.py", *arguments], self.environment, timeout=timeout, check=True)


@dataclass
class ServerProcess:
    """One Daphne process, listening on 127.0.0.1; `is_forked`: see `forking.begin`."""

    installation: Installation
    port: int = field(default_factory=free_port)
    process: Process | None = None
    application: str = "everything_site.asgi:application"
    is_forked: bool = True
    folder: Path = ROOT
    """The folder with its code."""
    has_children: bool = False
    """Whether it may have processes of its own, which end with it."""
    patience: float = STARTUP_SECONDS
    """How many seconds its start may take."""
    socket: Path | None = None
    """A Unix socket at which it listens, too."""
    is_only_at_socket: bool = False
    """Whether it then does not listen at the port."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    @property
    def words(self) -> list[str]:
        """The command, after `python`."""
        return ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(self.port), self.application]

    @property
    def _log_path(self) -> Path:
        return self.installation.folder / f"server-{self.port}.log"

    def start(self) -> None:
        """Start it and return when it is ready to serve."""
        command = forking.logged(self.words, self.installation.environment, self._log_path, self.folder)
        command = dataclasses.replace(command, leads_session=self.has_children)
        self.process = forking.begin(command, is_forked=self.is_forked)
        unix = self.socket if self.is_only_at_socket else None
        wait_until_ready(self.url, self.process, self._log_path, self.patience, unix)

    def kill(self) -> None:
        """Kill it, as in a crash: SIGKILL."""
        if self.has_children and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop it as an operator would: SIGTERM."""
        self._end(signal.SIGTERM)

    def suspend(self) -> None:
        """Suspend it, as a machine does that is overloaded or moved: SIGSTOP."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on: SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            raise
        finally:
            self.process = None


def wait_until_ready(
    url: str, process: Process, log: Path, seconds: float = STARTUP_SECONDS, unix: Path | None = None
) -> None:
    """Return when a process is ready to serve at a URL.

    Args:
        url: Its URL.
        process: The process.
        log: What it writes.
        seconds: How long it may take.
        unix: The Unix socket at which it listens in place of the URL's port.

    Raises:
        RuntimeError: It has ended, or is not ready in time; the message has its log.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The server ended at its start:\n{log.read_text()}")
        with contextlib.suppress(OSError, urllib.error.URLError, httpx2.HTTPError):
            if unix is None:
                urllib.request.urlopen(f"{url}/readyz", timeout=2).close()
                return
            with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(unix)), timeout=2) as http:
                http.get(f"{url}/readyz").raise_for_status()
            return
        time.sleep(0.05)
    raise RuntimeError(f"The server was not ready within {seconds:g} s:\n{log.read_text()}")


@contextlib.contextmanager
def installation(base_uri: str, **environment: str) -> Iterator[Installation]:
    """An installation whose database has tables only; its embedded Redis runs while the context is open."""
    with short_folder() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        redis_url = redis_servers.url_for(folder)
        stack.enter_context(redis_servers.running(redis_url))
        database_url = stack.enter_context(empty_database(folder))
        basic = _environment(BASE_URI=base_uri, REDIS_URL=redis_url, DATABASE_URL=database_url)
        made = Installation({**basic, **environment}, folder)
        if database_url.startswith(SQLITE):
            shutil.copy(migrated_database(), database_url.removeprefix(SQLITE))
        else:
            made.run("migrate", "--verbosity", "0")
        yield made


def _environment(**urls: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if key in os.environ}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "everything_site.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": secrets.token_hex(32),
        "DEBUG": "false",
        "PYTHONWARNINGS": "default",
        "RATE_LIMITS": "false",  # all the clients of a test have one address
        **urls,
    }


@functools.cache
def migrated_database() -> Path:
    """An SQLite file with all tables, to be copied: making them takes seconds, so one worker does it."""
    path = SHARED / "migrated.sqlite3"
    with open(SHARED / "migrating", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            unfinished = SHARED / "unfinished.sqlite3"
            urls = {
                "BASE_URI": "http://localhost:3232",
                "REDIS_URL": "redis://127.0.0.1:1/0",  # not needed for this
                "DATABASE_URL": f"{SQLITE}{unfinished}",
            }
            Installation(_environment(**urls), SHARED).run("migrate", "--verbosity", "0")
            unfinished.rename(path)
    return path


@contextlib.contextmanager
def empty_database(folder: Path) -> Iterator[str]:
    """The URL of an empty database: a file, or one made for this on the server of TEST_DATABASE_URL."""
    server = os.environ.get("TEST_DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield f"{SQLITE}{folder / 'db.sqlite3'}"
        return
    name = f"everything_{secrets.token_hex(6)}"
    with psycopg.connect(_in_database(server, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield _in_database(server, name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _in_database(server: str, name: str) -> str:
    return urlsplit(server)._replace(path=f"/{name}").geturl()
