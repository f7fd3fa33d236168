"""The Redis servers of a run: each worker, and each installation of server processes, has one for itself.

Tests count the connections and commands of a server, cut all subscribers off and take its memory away. With
TEST_REDIS_URL there is one server for everything, so nothing may run beside anything else.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from mcp_app import valkey

STARTUP_SECONDS = 15


def url_for(folder: Path) -> str:
    """The URL of a server whose socket is in a folder, or TEST_REDIS_URL."""
    return os.environ.get("TEST_REDIS_URL") or f"unix://{folder / 'redis.sock'}"


@contextlib.contextmanager
def running(url: str) -> Iterator[None]:
    """Keep a server running at a URL of `url_for` while the context is open: Valkey, or TEST_REDIS_SERVER."""
    if os.environ.get("TEST_REDIS_URL"):
        yield
    elif program := os.environ.get("TEST_REDIS_SERVER"):
        with _running(program, Path(url.removeprefix("unix://"))):
            yield
    else:
        with valkey.running(url):
            yield


@contextlib.contextmanager
def _running(program: str, path: Path) -> Iterator[None]:
    where = ["--port", "0", "--unixsocket", str(path), "--dir", str(path.parent)]
    process = subprocess.Popen([program, *where, "--save", ""], stdout=subprocess.DEVNULL)
    try:
        _wait_for(path)
        yield
    finally:
        process.terminate()
        process.wait(STARTUP_SECONDS)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(path))
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"no Redis server answers at {path}")
        time.sleep(0.02)
