"""What these tests share with those of the authorization server."""

from tests.oauth_app.conftest import alice, verify

__all__ = ["alice", "verify"]
