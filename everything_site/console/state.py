"""Where `everything-server` keeps its state: a private folder of the user, or one for a single run."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLE = "STATE_DIR"
_CLEANER = Path(__file__).with_name("cleaner.py")
_CLEAN_SECONDS = 10


class Unusable(Exception):
    """The folder cannot be used; the message says why."""


def default_folder(process: Mapping[str, str] = os.environ) -> Path:
    """The folder that STATE_DIR names, or one below XDG_STATE_HOME (XDG Base Directory Specification).

    Args:
        process: The variables of the process.

    Raises:
        Unusable: Neither variable is set, and the user has no home.
    """
    if chosen := process.get(VARIABLE, "").strip():
        return Path(chosen).resolve()
    home = Path(process.get("XDG_STATE_HOME", ""))
    # A relative path must be ignored, says the specification.
    return (home if home.is_absolute() else _home() / ".local" / "state") / "everything-server"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # as in a container, with a user id that has no name
        raise Unusable(f"There is no home to keep the state in: set {VARIABLE}.") from None


def prepare(folder: Path) -> None:
    """Create the folder, readable by its owner only, or check one that exists.

    Raises:
        Unusable: It cannot be created, or others may use it.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise Unusable(f"{folder} cannot be used ({error.strerror}): set {VARIABLE}.") from None
    check(folder)


def check(folder: Path) -> None:
    """Check the folder, if there is one that this user can reach.

    Raises:
        Unusable: Others may use it.
    """
    try:
        found = folder.stat()
    except OSError:
        return
    if found.st_uid != os.getuid():
        raise Unusable(f"{folder} belongs to another user: set {VARIABLE}.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise Unusable(f"{folder} is open to other users: chmod 700 {folder}, or set {VARIABLE}.")


@contextmanager
def ephemeral() -> Iterator[Path]:
    """A folder that is removed at the end of the context, or of this process, even by SIGKILL."""
    folder = Path(tempfile.mkdtemp(prefix="everything-server-"))
    # It removes the folder when its standard input ends, which only this process holds open.
    cleaner = subprocess.Popen(  # noqa: S603 - our own file, no shell
        [sys.executable, "-I", str(_CLEANER), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches only this process
    )
    try:
        yield folder
    finally:
        assert cleaner.stdin
        cleaner.stdin.close()
        with suppress(subprocess.TimeoutExpired):  # it goes on after the end of this process
            cleaner.wait(_CLEAN_SECONDS)
