"""The settings of the tests: the project's own, on a Redis and a database that no one else uses."""

import os

from tests.support.run import REDIS_URL, SQLITE_FILE

os.environ["ENV_FILE"] = os.devnull
os.environ["DEBUG"] = "false"
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 40
os.environ["BASE_URI"] = "http://localhost:3232"
os.environ["REDIS_URL"] = REDIS_URL
os.environ["RATE_LIMITS"] = "false"  # all the clients of the tests have one address
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")

from everything_site.settings import *  # noqa: F403
from everything_site.settings import DATABASES

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": SQLITE_FILE}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_AUTOREFRESH = True  # else each client of a test lists all static files
