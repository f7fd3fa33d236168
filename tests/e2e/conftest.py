"""The deployment of the end-to-end tests, and the mark of those that need both modes."""

import pytest

from tests.support.deployment import Deployment, integrated, separate

__all__ = ["in_both_modes", "integrated", "separate", "site"]

in_both_modes = pytest.mark.parametrize("site", ["integrated", "separate"], indirect=True, scope="package")
"""Marks a test that uses what the mode changes: where people sign in, and how tokens are verified."""


@pytest.fixture(scope="package")
def site(request: pytest.FixtureRequest) -> Deployment:
    """Two Daphne processes behind a proxy that alternates between them, with every tool there is."""
    deployment: Deployment = request.getfixturevalue(getattr(request, "param", "integrated"))
    return deployment
