"""What the end-to-end tests share: one deployment of two real processes, which nobody restarts."""

from collections.abc import Iterator

import pytest

from tests.support.deployment import Deployment, deployment


@pytest.fixture(scope="session")
def site() -> Iterator[Deployment]:
    """Two Daphne processes behind a proxy that alternates between them, with every tool there is."""
    with deployment(CONFORMANCE_FIXTURES="1") as made:
        yield made
