"""The settings of the tests: the project's own, on a Redis and a database that no one else uses."""

import os
from pathlib import Path

from tests.support.folders import short_folder
from tests.support.workers import redis_url

os.environ["ENV_FILE"] = os.devnull
os.environ["DEBUG"] = "false"
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 40
os.environ["BASE_URI"] = "http://localhost:3232"
FOLDER = short_folder("everything-tests-")  # goes with this process
os.environ["REDIS_URL"] = redis_url() or f"unix://{Path(FOLDER.name) / 'valkey.sock'}"
os.environ["RATE_LIMITS"] = "false"  # all the clients of the tests have one address
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")

from everything_site.settings import *  # noqa: E402, F403
from everything_site.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # In memory, all threads would share one connection, and nothing would ever happen at once.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(FOLDER.name) / "test.sqlite3")}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
