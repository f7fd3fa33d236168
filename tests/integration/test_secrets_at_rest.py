"""Whoever reads the database, Redis or the logs of an installation finds nothing that gives access."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import redis

from tests.support.browser import Browser
from tests.support.client import Storage, connect
from tests.support.deployment import Deployment

pytestmark = pytest.mark.processes


class WatchedBrowser(Browser):
    """A browser that notes the parameters of the responses, and keeps its cookies for the test."""

    def __init__(self, person: str) -> None:
        super().__init__(person)
        self.secrets: set[str] = set()

    async def authorize(self, url: str, redirect_uri: str, decision: str = "Allow") -> str:
        back = await super().authorize(url, redirect_uri, decision)
        self.secrets |= {parse_qs(urlsplit(back).query)["code"][0], parse_qs(urlsplit(url).query)["state"][0]}
        self.secrets |= {cookie.value or "" for cookie in self._http.cookies.jar}
        return back


def in_redis(url: str) -> Iterator[str]:
    """Every key, with what it contains."""
    with redis.Redis.from_url(url, decode_responses=True, encoding_errors="replace") as store:
        readers: dict[str, Any] = {
            "string": store.get,
            "hash": store.hgetall,
            "list": lambda key: store.lrange(key, 0, -1),
            "zset": lambda key: store.zrange(key, 0, -1, withscores=True),
            "stream": store.xrange,
        }
        for key in store.scan_iter(count=1000):
            kind = str(store.type(key))
            if kind != "none":  # it expired meanwhile
                yield f"{key} {readers[kind](key)!r}"


async def test_no_secret_is_readable_anywhere_while_a_client_works(integrated: Deployment) -> None:
    browser, storage = WatchedBrowser("alice"), Storage()
    async with (
        browser,
        connect(integrated.mcp_url, "2025-11-25", person="alice", browser=browser, storage=storage) as client,
    ):
        await client.call_tool("longRunningOperation", {"duration": 1, "steps": 4})
        assert storage.tokens is not None
        assert storage.client is not None
        registered = storage.client.model_dump()
        secrets = browser.secrets | {
            storage.tokens.access_token,
            storage.tokens.refresh_token or "",
            registered.get("registration_access_token") or storage.tokens.access_token,
            integrated.installation.environment["SECRET_KEY"],
        }
        assert len(secrets) >= 6
        assert min(map(len, secrets)) >= 20
        shared = "\n".join(in_redis(integrated.installation.environment["REDIS_URL"]))
    database = integrated.installation.run("dumpdata").stdout
    files = [path for path in integrated.installation.folder.iterdir() if path.is_file()]
    logs = "\n".join(server.log for server in integrated.servers)
    assert "session:{" in shared
    assert storage.client.client_id in database
    assert storage.client.client_id in logs
    for secret in secrets:
        assert secret not in shared
        assert secret not in database
        assert secret not in logs
        assert not [path.name for path in files if secret.encode() in path.read_bytes()]
