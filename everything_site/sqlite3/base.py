"""Django's SQLite backend with a private database file.

SQLite creates a file with the permissions of any other file, which everybody on the machine may read; the
database holds the users' browser sessions. Its `-wal` and `-shm` files get the permissions of the
database, so it is enough that the database is private before it is opened.

Only a file that is a SQLite database, or empty, is ever changed: DATABASE_URL may name anything by mistake.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import sys
import threading
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

_HEADER = b"SQLite format 3\0"
"""What every database file begins with: https://www.sqlite.org/fileformat.html §1.3.1"""
_JOURNALS = ("-wal", "-shm")

_recognised: set[tuple[int, int]] = set()
"""Device and inode of the files that this process has looked into."""
_looking = threading.Lock()


class DatabaseWrapper(base.DatabaseWrapper):
    """Opens a database file that only its owner can read and write.

    Raises:
        OperationalError: The file is not a SQLite database, or cannot be created or opened; the message names
            it, and DATABASE_URL.
    """

    def get_new_connection(self, conn_params: Any) -> Any:
        if self.is_in_memory_db():
            return super().get_new_connection(conn_params)
        name = str(self.settings_dict["NAME"])
        _make_private(name)
        try:
            return super().get_new_connection(conn_params)
        except sqlite3.OperationalError as error:
            raise OperationalError(
                f"The database {name} cannot be used ({error}). Set DATABASE_URL to one that can be written."
            ) from error


def _make_private(name: str) -> None:
    path = os.path.realpath(name)  # SQLite puts the journals next to the file itself, not next to a link
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with _looking:
        found = _status(path)
        if found is None:
            return  # SQLite says why
        if not stat.S_ISREG(found.st_mode) or not _is_database(path, found):
            raise OperationalError(f"DATABASE_URL names {name}, which is not a SQLite database.")
    journals = {path + ending: _status(path + ending) for ending in _JOURNALS}
    for journal, status in journals.items():
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise OperationalError(
                f"The database {name} cannot be used ({journal} is not a regular file). "
                "Remove that, or set DATABASE_URL to another database."
            )
    if sys.platform == "win32":  # which has no such permissions
        return
    for each, status in {path: found, **journals}.items():
        if status is not None and status.st_mode & 0o077 and status.st_uid == os.geteuid():
            with contextlib.suppress(OSError):  # a file system without permissions, or the file is gone
                os.chmod(each, stat.S_IMODE(status.st_mode) & 0o700)


def _status(path: str) -> os.stat_result | None:
    """The status of `path` itself, not of what it links to; None if it cannot be known."""
    try:
        return os.lstat(path)
    except OSError:
        return None


def _is_database(path: str, status: os.stat_result) -> bool:
    """Whether a regular file is a SQLite database, or empty.

    A file is read once, before the first connection to it: closing it later would drop the locks that
    this process has on it (POSIX fcntl).
    """
    identity = (status.st_dev, status.st_ino)
    if identity in _recognised:
        return True
    if status.st_size:
        try:
            with open(path, "rb") as file:
                if file.read(len(_HEADER)) != _HEADER:
                    return False
        except OSError:
            return True  # unknown; SQLite cannot open it either, and says why
    _recognised.add(identity)
    return True
