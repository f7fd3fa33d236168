"""Step-up authorization, end to end: the official client requests more scopes by itself."""

from __future__ import annotations

import pytest

from tests.support.browser import Browser
from tests.support.client import Storage, connect
from tests.support.deployment import Deployment

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("mode", ["2025-11-25", "2026-07-28"])
async def test_the_official_client_steps_up_by_itself(integrated: Deployment, mode: str) -> None:
    storage = Storage()
    async with (
        Browser("alice") as browser,
        connect(integrated.mcp_url, mode, browser=browser, storage=storage) as client,
    ):
        await client.call_tool("echo", {"message": "hello"})
        assert storage.tokens is not None
        first, asked = storage.tokens, sum("Allow" in page for page in browser.pages)
        assert "mcp:admin" not in (first.scope or "").split()

        answer = await client.call_tool("describe-server", {})
        assert answer.structured_content is not None
        assert answer.structured_content["name"] == "everything-server"
        assert storage.tokens.access_token != first.access_token
        assert {"mcp", "mcp:admin"} <= set((storage.tokens.scope or "").split())
        assert sum("Allow" in page for page in browser.pages) == asked + 1
        assert "inspect the server itself" in browser.pages[-1], "the person read what more they grant"

        await client.call_tool("echo", {"message": "still connected"})
        assert sum("Allow" in page for page in browser.pages) == asked + 1

    last = storage.tokens
    secrets = [first.access_token, first.refresh_token, last.access_token, last.refresh_token]
    logged = "".join(server.log for server in integrated.servers)
    assert "tokens issued" in logged
    for trace in (*secrets, "code=", "state=", "code_challenge", "Bearer"):
        assert trace
        assert trace not in logged
