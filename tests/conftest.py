"""What all tests share: an embedded Redis where TEST_REDIS_URL names none."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from django.conf import settings

from everything_site import valkey


@pytest.fixture(scope="session", autouse=True)
def redis_server() -> Iterator[str]:
    """The URL of the Redis server of this run."""
    embedded = settings.REDIS_URL.startswith("unix://")
    with valkey.running(settings.REDIS_URL) if embedded else nullcontext():
        yield settings.REDIS_URL
