"""Requests with the wrong headers, method, host, origin or token: each with its status and error code."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from tests.mcp_app.transports.support import (
    BOTH,
    LATEST,
    MODERN,
    Process,
    Session,
    headers_for,
    modern,
    request,
)
from tests.support.asgi import Response

PING = json.dumps(request("ping")).encode()
ERAS = [LATEST, MODERN]
INVALID_REQUEST = -32600


async def _refusal(
    response: Response, status: int, code: int = INVALID_REQUEST, request_id: Any = None
) -> Any:
    assert (response.status, response.content_type) == (status, "application/json")
    refusal = await response.json()
    assert refusal["jsonrpc"] == "2.0"
    assert refusal["id"] == request_id
    assert refusal["error"]["code"] == code
    return refusal["error"]


@pytest.mark.parametrize("revision", ERAS)
@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"]
)
async def test_a_post_of_another_content_type_is_415(
    one: Process, session: Session, revision: str, content_type: str | None
) -> None:
    headers = session.headers(mcp_protocol_version=revision, content_type=content_type)
    await _refusal(await one.http.request("POST", headers=headers, body=PING), 415)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_parameters_and_case_of_the_content_type_do_not_matter(
    one: Process, session: Session, content_type: str
) -> None:
    assert (await session.post(one, request("ping"), content_type=content_type)).status == 200


@pytest.mark.parametrize("revision", ERAS)
@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/json",
        "text/event-stream",
        "text/*",
        "*/*;q=0",
        "*/*, text/event-stream;q=0",
        "application/json;q=0.000, text/*, application/*",
    ],
)
async def test_a_post_that_does_not_accept_both_kinds_of_answer_is_406(
    one: Process, session: Session, revision: str, accept: str
) -> None:
    headers = session.headers(mcp_protocol_version=revision, accept=accept)
    await _refusal(await one.http.request("POST", headers=headers, body=PING), 406)


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/*, text/*",
        "text/event-stream;q=0.5,application/json",
        "text/html;q=0, */*",
        "*/*;q=0, text/event-stream, application/json; Q = 0.1",
    ],
)
async def test_ranges_of_media_types_are_understood(one: Process, session: Session, accept: str) -> None:
    assert (await session.post(one, request("ping"), accept=accept)).status == 200
    assert (await session.get(one, accept=accept)).status == 200


@pytest.mark.parametrize("accept", [None, ""])
async def test_a_request_without_accept_accepts_any_media_type(
    one: Process, session: Session, accept: str | None
) -> None:
    assert (await session.post(one, request("ping"), accept=accept)).status == 200
    assert (await session.get(one, accept=accept)).content_type == "text/event-stream"
    assert (await modern(one, "tools/list", accept=accept)).status == 200
    stream = await one.http.request("GET", "/sse", headers=headers_for(accept=accept))
    assert stream.content_type == "text/event-stream"


@pytest.mark.parametrize("accept", ["application/json", "text/html", "text/event-stream;q=0"])
async def test_a_get_that_does_not_accept_an_event_stream_is_406(
    one: Process, session: Session, accept: str
) -> None:
    await _refusal(await one.http.request("GET", headers=session.headers(accept=accept)), 406)


@pytest.mark.parametrize("session_id", [None, ""])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_without_a_session_the_client_reads_how_to_get_one(
    one: Process, method: str, session_id: str | None
) -> None:
    body = json.dumps(request("tools/list")).encode() if method == "POST" else b""
    response = await one.http.request(method, headers=headers_for(mcp_session_id=session_id), body=body)
    assert response.status == 400
    assert "send `initialize` first" in (await response.json())["error"]["message"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "OPTIONS"])
async def test_another_method_is_405_and_says_what_is_allowed(
    one: Process, session: Session, method: str
) -> None:
    response = await one.http.request(method, headers=session.headers())
    await _refusal(response, 405)
    assert response.headers["allow"] == "GET, POST, DELETE"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_2026_07_28_supports_only_post(one: Process, method: str) -> None:
    response = await one.http.request(method, headers=headers_for(mcp_protocol_version=MODERN))
    await _refusal(response, 405)
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "evil.example:3232", "[::1", "a b"]
)
async def test_a_foreign_host_is_421(one: Process, host: str) -> None:
    for method, revision in product(("GET", "POST", "DELETE"), ERAS):
        headers = headers_for(mcp_protocol_version=revision, host=host)
        await _refusal(await one.http.request(method, headers=headers), 421)


async def test_a_request_without_a_host_is_400(one: Process) -> None:
    for method, revision in product(("GET", "POST", "DELETE"), ERAS):
        headers = headers_for(mcp_protocol_version=revision, host=None)
        await _refusal(await one.http.request(method, headers=headers), 400)


async def test_a_foreign_origin_is_403(one: Process) -> None:
    for method, revision in product(("GET", "POST", "DELETE"), ERAS):
        headers = headers_for(mcp_protocol_version=revision, origin="https://evil.example")
        await _refusal(await one.http.request(method, headers=headers), 403)


async def test_an_empty_origin_is_foreign(one: Process) -> None:
    await _refusal(await one.http.request("POST", headers=headers_for(origin="")), 403)


@pytest.mark.parametrize("origin", ["https://app.example", "http://localhost:6274"])
async def test_an_allowed_origin_and_those_of_this_computer_are_served(
    one: Process, session: Session, origin: str
) -> None:
    assert (await session.post(one, request("ping"), origin=origin)).status == 200


async def test_a_get_or_delete_without_a_session_id_is_400(one: Process) -> None:
    for method in ("GET", "DELETE"):
        response = await one.http.request(method, headers=headers_for(accept=BOTH))
        assert "Mcp-Session-Id" in (await _refusal(response, 400))["message"]


@pytest.mark.parametrize(
    "message",
    [
        request("tools/list"),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": "a", "result": {}},
        {"jsonrpc": "2.0", "id": "a", "error": {"code": 1, "message": "no"}},
    ],
    ids=["request", "notification", "response", "error"],
)
@pytest.mark.parametrize("session_id", [None, ""])
async def test_a_post_without_a_session_id_is_400(one: Process, message: Any, session_id: str | None) -> None:
    headers = headers_for(mcp_session_id=session_id)
    response = await one.http.request("POST", headers=headers, body=json.dumps(message).encode())
    request_id = message["id"] if "method" in message and "id" in message else None
    assert "Mcp-Session-Id" in (await _refusal(response, 400, request_id=request_id))["message"]
