"""The settings of the tests: the project's own, on a Redis and a database that no one else uses."""

import os
import sys

from tests.support.run import REDIS_URL, SQLITE_FILE

os.environ["ENV_FILE"] = os.devnull
os.environ["DEBUG"] = "false"
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 40
os.environ["BASE_URI"] = "http://localhost:3232"
os.environ["REDIS_URL"] = REDIS_URL
os.environ["METRICS"] = "false"  # but in the tests of metrics; servers that tests start have them
os.environ["RATE_LIMITS"] = "false"  # all the clients of the tests have one address
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")

from everything_site.settings import *  # noqa: F403
from everything_site.settings import BASE_DIR, DATABASES, INSTALLED_APPS

sys.path.insert(0, str(BASE_DIR / "docs" / "examples"))
INSTALLED_APPS = [*INSTALLED_APPS, "audit", "events", "orders"]  # of the examples

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": SQLITE_FILE}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_AUTOREFRESH = True  # else each client of a test lists all static files
