"""What web pages may send to the endpoints, and what they may read of the responses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.mcp_app.transports.support import (
    MODERN,
    Process,
    Session,
    headers_for,
    initialize,
    modern,
    request,
    tool_call,
)

ORIGIN = "https://app.example"
HEADERS = (
    "content-type, authorization, accept, last-event-id, mcp-protocol-version, mcp-method, mcp-name, "
    "mcp-param-region, mcp-session-id"
)
PING = json.dumps(request("ping")).encode()


def _preflight(method: str = "POST", origin: str = ORIGIN) -> dict[str, str]:
    return {
        "host": "localhost:3232",
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": HEADERS,
    }


def _listed(value: str) -> set[str]:
    return {item.strip().lower() for item in value.split(",")}


def _assert_readable(headers: dict[str, str], origin: str = ORIGIN) -> None:
    assert headers["access-control-allow-origin"] == origin
    exposed = _listed(headers["access-control-expose-headers"])
    assert {"www-authenticate", "mcp-session-id", "mcp-protocol-version"} <= exposed
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/sse", "/message"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_preflight_is_answered_without_a_token(one: Process, path: str, method: str) -> None:
    response = await one.http.request("OPTIONS", path, headers=_preflight(method))
    assert response.status == 200
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert method in response.headers["access-control-allow-methods"].split(", ")
    assert _listed(HEADERS) <= _listed(response.headers["access-control-allow-headers"])


@pytest.mark.parametrize("path", ["/mcp", "/sse", "/message"])
@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:6274"])
async def test_a_page_may_ask_for_a_server_in_a_private_network(one: Process, path: str, origin: str) -> None:
    headers = _preflight(origin=origin) | {"access-control-request-private-network": "true"}
    response = await one.http.request("OPTIONS", path, headers=headers)
    assert response.status == 200
    assert response.headers["access-control-allow-origin"] == origin
    assert response.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.evil.example"])
async def test_a_foreign_page_may_not(one: Process, origin: str) -> None:
    headers = _preflight(origin=origin) | {"access-control-request-private-network": "true"}
    response = await one.http.request("OPTIONS", headers=headers)
    assert response.status == 400
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.evil.example"])
async def test_the_preflight_of_a_foreign_page_is_refused(one: Process, origin: str) -> None:
    response = await one.http.request("OPTIONS", headers=_preflight(origin=origin))
    assert response.status == 400
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "origin", [ORIGIN, "http://localhost:6274", "http://127.0.0.1:8080", "http://[::1]:1"]
)
async def test_a_page_can_read_the_session_id(one: Process, origin: str) -> None:
    body = json.dumps(initialize()).encode()
    response = await one.http.request("POST", headers=headers_for(origin=origin), body=body)
    assert response.headers["mcp-session-id"]
    _assert_readable(response.headers, origin)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"authorization": None}, 401),
        ({"authorization": "Bearer wrong-scope"}, 403),
        ({"mcp_session_id": "unknown"}, 404),
        ({"accept": "text/html"}, 406),
        ({"content_type": "text/plain"}, 415),
        ({"host": "evil.example"}, 421),
        ({"mcp_protocol_version": MODERN}, 400),
        ({}, 400),
    ],
)
async def test_a_page_can_read_errors_too(one: Process, changed: Any, status: int) -> None:
    headers = headers_for(origin=ORIGIN, **changed)
    response = await one.http.request("POST", headers=headers, body=PING)
    assert response.status == status
    _assert_readable(response.headers)


async def test_a_page_can_read_streams(one: Process, session: Session) -> None:
    stream = await session.post(one, tool_call("test_tool_with_progress", progress=1), origin=ORIGIN)
    assert stream.content_type == "text/event-stream"
    _assert_readable(stream.headers)


async def test_a_page_can_read_the_answers_of_2026_07_28(one: Process) -> None:
    response = await modern(one, "tools/list", origin=ORIGIN)
    assert response.status == 200
    _assert_readable(response.headers)


async def test_a_foreign_page_cannot_read_anything(one: Process, session: Session) -> None:
    response = await session.post(one, request("ping"), origin="https://evil.example")
    assert response.status == 403
    assert "access-control-allow-origin" not in response.headers
