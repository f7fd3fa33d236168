"""Production settings for `manage.py check --deploy`, but for the warning about what a demonstration is."""

from everything_site.settings import *  # noqa: F403
from everything_site.settings import SILENCED_SYSTEM_CHECKS as SILENCED

SILENCED_SYSTEM_CHECKS = [*SILENCED, "fakeupstream.W001"]  # the fake identity provider
