"""Two processes that serve an example, and its people."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from tests.mcp_app.transports.conftest import one, other, start_process
from tests.support.tokens import ISSUER

__all__ = ["one", "other", "start_process"]


@pytest.fixture
def mcp_settings(settings: Any, transactional_db: None) -> Any:
    """Tokens of the project's own users."""
    settings.MCP_ISSUER = ISSUER
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.UserTokens"
    settings.MCP_REQUEST_RATE = 1_000_000
    settings.MCP_STREAM_AFTER_SECONDS = 3.0
    return settings


@pytest.fixture
def alice(transactional_db: None) -> User:
    return User.objects.create_user("alice")


@pytest.fixture
def bob(transactional_db: None) -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def carol(transactional_db: None) -> User:
    """She works in support: she may refund."""
    carol = User.objects.create_user("carol")
    carol.user_permissions.add(Permission.objects.get(codename="refund_order"))
    return carol
