"""What a run of the tests has for itself: a folder, a Redis server and a database."""

from __future__ import annotations

from pathlib import Path

from tests.support.folders import short_folder
from tests.support.workers import redis_url

FOLDER = short_folder("everything-tests-")  # goes with this process
REDIS_URL = redis_url() or f"unix://{Path(FOLDER.name) / 'valkey.sock'}"
SQLITE_FILE = str(Path(FOLDER.name) / "test.sqlite3")
"""In memory, all threads would share one connection, and nothing would ever happen at once."""
