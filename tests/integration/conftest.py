"""What these tests share with each other, and with those of the authorization server."""

from tests.oauth_app.conftest import alice, verify
from tests.support.deployment import integrated

__all__ = ["alice", "integrated", "verify"]
