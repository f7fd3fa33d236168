"""Each end-to-end test runs with an integrated and with a separate authorization server."""

import pytest

from tests.support.deployment import Deployment


@pytest.fixture(scope="session", params=["integrated", "separate"])
def site(request: pytest.FixtureRequest) -> Deployment:
    """Two Daphne processes behind a proxy that alternates between them, with every tool there is."""
    deployment: Deployment = request.getfixturevalue(request.param)
    return deployment
