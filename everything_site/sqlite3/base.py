"""Django's SQLite backend with a private database file.

SQLite creates a file with the permissions of any other file, which everybody on the machine may read; the
database holds the keys of people's browser sessions. Its `-wal` and `-shm` files get the permissions of the
database, so it is enough that the database is private before it is opened.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

_FILES = ("", "-wal", "-shm")


class DatabaseWrapper(base.DatabaseWrapper):
    """Opens a database file that only its owner can read and write.

    Raises:
        OperationalError: The file cannot be created or opened; the message names it, and DATABASE_URL.
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
    # A file that exists is never opened here: closing it would drop the locks that this process has on it.
    with contextlib.suppress(OSError):
        os.close(os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for path in (Path(name + ending) for ending in _FILES):
        with contextlib.suppress(OSError):  # not there, or somebody else's
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                path.chmod(mode & 0o700)
