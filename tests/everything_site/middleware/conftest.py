"""A deployment with a separate authorization server, and an installation, for the tests that need one."""

from collections.abc import Iterator

import pytest

from tests.support.deployment import separate
from tests.support.processes import Installation, free_port, installation

__all__ = ["separate"]


@pytest.fixture(scope="module")
def made() -> Iterator[Installation]:
    """An installation whose servers each test starts."""
    with installation(f"http://localhost:{free_port()}") as one:
        yield one
