"""Resources of a test run: a folder, a Redis server and a database."""

from __future__ import annotations

from pathlib import Path

from tests.support.folders import short_folder
from tests.support.redis_servers import url_for

FOLDER = short_folder("everything-tests-")  # goes with this process
REDIS_URL = url_for(Path(FOLDER.name))
SQLITE_FILE = str(Path(FOLDER.name) / "test.sqlite3")
"""In memory, all threads would share one connection, and nothing would ever happen at once."""
