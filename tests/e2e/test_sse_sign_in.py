"""Clients that know only `/sse`: they sign in there by themselves, and call a tool (HTTP+SSE, 2024-11-05)."""

from __future__ import annotations

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.e2e.tools import text_of
from tests.support.browser import Browser
from tests.support.client import Storage, oauth_provider
from tests.support.deployment import Deployment

pytestmark = pytest.mark.processes
WAIT = 30
"""Seconds that a client may take from nothing to its answer."""


@pytest.mark.parametrize(
    ("site", "spelling"),
    [("integrated", "/sse"), ("integrated", "/sse/"), ("separate", "/sse")],
    indirect=["site"],
)
async def test_the_python_client_signs_in_at_sse_and_steps_up_there(site: Deployment, spelling: str) -> None:
    url, storage = f"{site.url}{spelling}", Storage()
    with anyio.fail_after(WAIT):
        async with Browser("alice") as browser:
            transport = sse_client(url, auth=oauth_provider(url, browser, storage))
            async with Client(transport, mode="legacy") as client:
                answer = await client.call_tool("echo", {"message": "from sse"})
                assert text_of(answer) == "Echo: from sse"
                assert storage.tokens is not None
                assert "mcp:admin" not in (storage.tokens.scope or "").split()
                described = await client.call_tool("describe-server", {})
    assert '"everything-server"' in text_of(described)
    assert "mcp:admin" in (storage.tokens.scope or "").split()


async def test_a_token_of_one_endpoint_works_at_the_other(site: Deployment) -> None:
    url, storage = f"{site.url}/sse", Storage()
    with anyio.fail_after(WAIT):
        async with Browser("alice") as browser, oauth(url, browser, storage) as http:
            await http.get(url, headers={"Accept": "application/json"})  # 406, once there is a token
        assert storage.tokens is not None
        token = f"Bearer {storage.tokens.access_token}"
        async with httpx2.AsyncClient(headers={"Authorization": token}) as http:
            transport = streamable_http_client(site.mcp_url, http_client=http)
            async with Client(transport, mode="legacy") as client:
                assert text_of(await client.call_tool("echo", {"message": "here too"})) == "Echo: here too"


def oauth(url: str, browser: Browser, storage: Storage) -> httpx2.AsyncClient:
    """An HTTP client that signs in on demand."""
    return httpx2.AsyncClient(auth=oauth_provider(url, browser, storage), timeout=WAIT)
