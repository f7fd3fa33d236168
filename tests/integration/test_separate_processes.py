"""Separate mode in real processes: one authorization server, two MCP servers behind a proxy."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from mcp_app.doctor.findings import Level
from mcp_app.management.commands.doctor import examine
from tests.support.browser import Browser
from tests.support.client import Storage, connect, oauth_provider
from tests.support.deployment import Deployment, deployment

pytestmark = pytest.mark.processes

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}


@pytest.fixture(scope="module")
def separate() -> Iterator[Deployment]:
    # The doctor looks for faults, and the machine of a test need not reach the internet.
    with deployment(separate=True, CLIENT_ID_METADATA_DOCUMENTS="false") as made:
        yield made


async def initialize(separate: Deployment, token: str, server: int = 0) -> httpx2.Response:
    """Send a request to one of the MCP servers, without the proxy."""
    headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(headers=headers, timeout=20) as http:
        return await http.post(f"{separate.servers[server].url}/mcp", json=INITIALIZE)


async def signed_in(separate: Deployment, person: str) -> tuple[str, str]:
    """A client id and an access token, by the whole of the OAuth flow."""
    storage = Storage()
    async with Browser(person) as browser:
        auth = oauth_provider(separate.mcp_url, browser, storage)
        async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
            await http.post(separate.mcp_url, json={})
    assert storage.client is not None
    assert storage.tokens is not None
    return storage.client.client_id, storage.tokens.access_token


@pytest.mark.parametrize("mode", ["2025-11-25", "2026-07-28"])
async def test_the_official_client_finds_its_way(separate, mode):
    async with connect(separate.mcp_url, mode) as client:
        for _ in range(3):
            answer = await client.call_tool("echo", {"message": "hello"})
            assert "Echo: hello" in str(answer.content)


async def test_a_revoked_token_is_dropped_immediately_by_every_server(separate):
    client_id, token = await signed_in(separate, "bob")
    for server in (0, 1):
        assert (await initialize(separate, token, server)).status_code == 200
    async with httpx2.AsyncClient(base_url=separate.auth_url) as http:
        body = {"client_id": client_id, "token": token}
        assert (await http.post("/revoke", data=body)).status_code == 200
    for server in (0, 1):  # the cache alone would take 5 seconds
        assert (await initialize(separate, token, server)).status_code == 401


async def test_each_server_serves_its_part_only(separate):
    async with httpx2.AsyncClient() as http:
        assert (await http.post(f"{separate.auth_url}/mcp", json=INITIALIZE)).status_code == 404
        assert (
            await http.get(f"{separate.auth_url}/.well-known/oauth-protected-resource")
        ).status_code == 404
        assert (await http.get(f"{separate.auth_url}/admin/login/")).status_code == 200
        mcp = separate.servers[0].url
        for path in ("/authorize", "/register", "/token", "/introspect"):
            assert (await http.get(mcp + path)).status_code == 404
        for path in ("/admin/", "/connections"):
            assert (await http.get(mcp + path)).headers["location"] == separate.auth_url + path
        document = (await http.get(f"{mcp}/.well-known/oauth-authorization-server")).json()
        assert document["issuer"] == separate.auth_url
        assert document["token_endpoint"] == f"{separate.auth_url}/token"


async def test_the_doctor_finds_nothing_wrong(separate):
    findings = await examine(url=separate.mcp_url, say=print, person="alice")
    assert [finding for finding in findings if finding.level != Level.OK] == []


async def test_while_the_authorization_server_is_unavailable_no_token_is_called_invalid(separate):
    _, token = await signed_in(separate, "carol")
    separate.auth.stop()
    try:
        answer = await initialize(separate, "never seen before")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert "www-authenticate" not in answer.headers
    finally:
        separate.auth.start()
    assert (await initialize(separate, token)).status_code == 200
    assert (await initialize(separate, "never seen before")).status_code == 401
