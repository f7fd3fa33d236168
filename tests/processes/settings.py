"""The project's settings, with those that a test asked for by TEST_SETTINGS, a JSON object."""

import json
import os

from everything_site.settings import *  # noqa: F403

globals().update(json.loads(os.environ.get("TEST_SETTINGS", "{}")))
