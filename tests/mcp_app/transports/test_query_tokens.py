"""A token in the URL is refused however its name is written (RFC 6750 §2.3 is not supported)."""

from __future__ import annotations

import pytest

from tests.mcp_app.transports.support import Process, headers_for


@pytest.mark.parametrize(
    "query", ["a=b&access%5ftoken", "access%5Ftoken=alice", "%61ccess_token=alice", "access_token"]
)
@pytest.mark.parametrize("path", ["/mcp", "/sse", "/message"])
async def test_an_encoded_name_is_the_same_name(one: Process, path: str, query: str) -> None:
    response = await one.http.request("POST", f"{path}?{query}", headers=headers_for())
    assert response.status == 400
    assert 'error="invalid_request"' in response.headers["www-authenticate"]


async def test_another_parameter_is_none_of_the_guards_business(one: Process) -> None:
    response = await one.http.request("POST", "/mcp?my_access_token=alice", headers=headers_for())
    assert "www-authenticate" not in response.headers
