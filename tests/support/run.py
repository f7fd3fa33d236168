"""Resources of a test run: a folder, a Redis server and a database."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.folders import short_folder
from tests.support.redis_servers import url_for

FOLDER = short_folder("everything-tests-")  # goes with this process
SHARED = Path(os.environ.setdefault("TESTS_SHARED_FOLDER", FOLDER.name))
"""The folder of the process that started the workers: what one of them makes there is for all."""
REDIS_URL = url_for(Path(FOLDER.name))
SQLITE_FILE = str(Path(FOLDER.name) / "test.sqlite3")
"""In memory, all threads would share one connection, and nothing would ever happen at once."""
