"""Fixtures for pytest. Name this module in `conftest.py`:

pytest_plugins = ["mcp_app.testing.fixtures"]
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from mcp_app.testing.client import Client, is_in_transaction
from mcp_app.testing.environment import redis_url

__all__ = ["mcp_client", "mcp_redis_url"]


@pytest.fixture(scope="session")
def mcp_redis_url() -> str:
    """The URL of the Redis server of the tests: REDIS_URL if that answers, otherwise an embedded one."""
    return redis_url()


@pytest.fixture
def mcp_client(request: pytest.FixtureRequest, mcp_redis_url: str) -> type[Client]:
    """Connects to the project's server: `async with mcp_client(user=alice) as client`.

    It is no open client, since pytest-asyncio opens and closes fixtures in different tasks, which the SDK's
    client does not support.
    """
    if "db" in request.fixturenames:
        request.getfixturevalue("db")  # before this fixture
    refuse_unseen_transaction(request.function)
    return Client


def refuse_unseen_transaction(test: Callable[..., Any]) -> None:
    """
    Raises:
        pytest.UsageError: The test is in a transaction that its own queries would not see.
    """
    if inspect.iscoroutinefunction(test) and is_in_transaction():
        raise pytest.UsageError(
            "The queries of an async test run in another thread than the transaction of the fixture db. Use "
            "transactional_db, or the mark django_db(transaction=True)."
        )
