"""Each end-to-end test runs against both deployments: the authorization server inside, and beside."""

import pytest

from tests.support.deployment import Deployment


@pytest.fixture(scope="session", params=["integrated", "separate"])
def site(request: pytest.FixtureRequest) -> Deployment:
    """Two Daphne processes behind a proxy that alternates between them, with every tool there is."""
    deployment: Deployment = request.getfixturevalue(request.param)
    return deployment
