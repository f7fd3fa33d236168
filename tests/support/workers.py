"""What the workers of pytest-xdist must not share."""

from __future__ import annotations

import os


def redis_url() -> str | None:
    """The Redis of `TEST_REDIS_URL`, with a database of its own for each worker; None if there is none."""
    url, worker = os.environ.get("TEST_REDIS_URL"), os.environ.get("PYTEST_XDIST_WORKER", "")
    number = worker.removeprefix("gw")
    if not url or not number.isdecimal():
        return url or None
    server, _, database = url.rpartition("/")
    return f"{server}/{int(database) + int(number)}"
