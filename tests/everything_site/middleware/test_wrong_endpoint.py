"""Clients with the wrong URL of this server, and browsers with the right one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.mcp_app.transports.support import headers_for, initialize, request
from tests.support.asgi import Http

PATHS = ["/", "/mcp/x", "/mcp//", "/MCP", "/v1/mcp", "/sse/x", "/messages", "/no-such-page"]


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    from everything_site.asgi import application

    http = Http(application)
    yield http
    await http.close()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {"accept": None}),
        ("POST", {"accept": "application/json", "content_type": "application/json; charset=utf-8"}),
        ("POST", {"content_type": "text/plain"}),
        ("GET", {"accept": "text/event-stream", "content_type": None}),
        ("GET", {"accept": "Text/Event-Stream, */*", "content_type": None}),
        ("DELETE", {"accept": None, "mcp_session_id": "0" * 32}),
    ],
)
@pytest.mark.parametrize("token", [None, "alice"])
async def test_an_mcp_client_is_told_where_the_endpoint_is(
    http: Http, path: str, method: str, headers: dict[str, str | None], token: str | None
) -> None:
    body = json.dumps(initialize()).encode() if method == "POST" else b""
    response = await http.request(method, path, headers=headers_for(token, **headers), body=body)
    assert (response.status, response.content_type) == (404, "application/json")
    refusal = await response.json()
    assert refusal["jsonrpc"] == "2.0"
    assert "http://localhost:3232/mcp" in refusal["error"]["message"]


@pytest.mark.parametrize("path", ["/", "/mcp/x"])
async def test_a_client_in_a_browser_can_read_it(http: Http, path: str) -> None:
    origin = {"host": "localhost:3232", "origin": "http://localhost:6274"}
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    assert (await http.request("OPTIONS", path, headers=origin | asked)).status == 200
    body = json.dumps(request("ping")).encode()
    response = await http.request("POST", path, headers=headers_for(origin=origin["origin"]), body=body)
    assert response.status == 404
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("accept", ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*", None])
async def test_a_browser_gets_the_page(http: Http, accept: str | None) -> None:
    response = await http.request("GET", "/", headers=headers_for(None, accept=accept, content_type=None))
    assert (response.status, response.content_type) == (200, "text/html")


async def test_other_endpoints_for_json_are_not_affected(http: Http) -> None:
    for path in ("/.well-known/nothing", "/fakeupstreamauth/callback", "/introspect"):
        response = await http.request("POST", path, headers=headers_for(None), body=b"{}")
        assert "MCP endpoint" not in (await response.body()).decode()
