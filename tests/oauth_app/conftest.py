"""What the tests of the authorization server share."""

import pytest

from oauth_app import verifier
from tests.oauth_app import flow


@pytest.fixture
def verify():
    """Verify a bearer token as the MCP endpoint does."""
    return verifier.find


@pytest.fixture
def alice(db):
    """A client that alice has connected."""
    return flow.connect("alice")
