"""The compared servers, each started as in production, with one process."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.support.processes import ROOT, STARTUP_SECONDS, free_port

Command = Callable[[str, int], list[str]]

SERVERS: dict[str, Command] = {
    "daphne": lambda app, port: ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), app],
    "uvicorn": lambda app, port: [
        *(
            "-m",
            "uvicorn",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--loop",
            "uvloop",
            "--http",
            "httptools",
        ),
        *("--log-level", "warning", "--no-access-log", app),
    ],
    "granian": lambda app, port: [
        *("-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--log-level", "warning", app),
    ],
}

NEEDS = {"uvicorn": ("uvicorn", "uvloop", "httptools"), "granian": ("granian",)}


def available(server: str) -> bool:
    """Whether the packages of a server are installed (`tests/bench/requirements.txt`)."""
    return all(find_spec(package) for package in NEEDS.get(server, ()))


@contextlib.contextmanager
def serving(
    server: str,
    app: str,
    environment: dict[str, str] | None = None,
    port: int | None = None,
    log: Path | None = None,
    folder: Path = ROOT,
) -> Iterator[tuple[int, int]]:
    """Serve an ASGI application of a checkout while the context is open; yields (port, process id)."""
    port = port or free_port()
    with open(log or os.devnull, "ab") as output:
        process = subprocess.Popen(
            [sys.executable, *SERVERS[server](app, port)],
            cwd=folder,
            env=environment or dict(os.environ),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            raise RuntimeError(f"{server} did not start")
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


def processor_seconds(process_id: int) -> float:
    """The CPU time used by a process and its children (Linux)."""
    total = 0.0
    for pid in (process_id, *_children(process_id)):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def resident_kib(process_id: int) -> int:
    """The resident memory of a process (Linux)."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def _children(process_id: int) -> list[int]:
    children = Path(f"/proc/{process_id}/task/{process_id}/children")
    return [int(pid) for pid in children.read_text().split()] if children.exists() else []
