"""Documents that web pages of any origin may read: metadata, and the response if there is none."""

from __future__ import annotations

import pytest

from tests.support.asgi import Http

PREFLIGHT = {
    "host": "localhost:3232",
    "origin": "https://any.example",
    "access-control-request-method": "GET",
    "access-control-request-headers": "mcp-protocol-version",
}


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource/sse",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
    ],
)
async def test_well_known_documents_are_open_to_every_page(path: str) -> None:
    from everything_site.asgi import application

    http = Http(application)
    response = await http.request(
        "GET", path, headers={"host": "localhost:3232", "origin": "https://any.example"}
    )
    assert response.status == (404 if "openid" in path else 200)
    assert response.headers["access-control-allow-origin"] == "*"
    preflight = await http.request("OPTIONS", path, headers=PREFLIGHT)
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.status == 200
    assert "mcp-protocol-version" in preflight.headers["access-control-allow-headers"]
    await http.close()
