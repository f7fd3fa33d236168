"""The paths of the endpoint, and the headers of all its responses."""

from __future__ import annotations

import json

import pytest

from tests.mcp_app.transports.support import Process, Session, headers_for, initialize, request


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
async def test_both_spellings_are_served_without_a_redirect(one: Process, path: str) -> None:
    body = json.dumps(initialize()).encode()
    response = await one.http.request("POST", path, headers=headers_for(), body=body)
    assert response.status == 200
    session = Session(response.headers["mcp-session-id"])
    answer = await one.http.request(
        "POST", path, headers=session.headers(), body=json.dumps(request("ping")).encode()
    )
    assert (await answer.json())["result"] == {}
    stream = await one.http.request("GET", path, headers=session.headers())
    assert (stream.status, stream.content_type) == (200, "text/event-stream")
    assert (await one.http.request("DELETE", path, headers=session.headers())).status == 204


async def test_responses_are_neither_cached_nor_sniffed(one: Process, session: Session) -> None:
    for response in (await session.post(one, request("ping")), await session.delete(one)):
        assert "no-store" in response.headers["cache-control"]
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_refusals_are_neither_cached_nor_sniffed(one: Process) -> None:
    response = await one.http.request("POST", headers=headers_for(None), body=b"{}")
    assert response.status == 401
    assert "no-store" in response.headers["cache-control"]
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_probes_need_no_token_and_check_no_host(one: Process) -> None:
    for path in ("/healthz", "/readyz"):
        response = await one.http.request("GET", path, headers={"host": "10.0.0.1"})
        assert response.status == 200, await response.body()
