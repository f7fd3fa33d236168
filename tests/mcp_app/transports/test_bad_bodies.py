"""Bodies that are not JSON-RPC messages: each with its status and error code, in both eras."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mcp_app.protocol.messages import MAX_DEPTH, decode
from tests.mcp_app.transports.support import (
    LATEST,
    MODERN,
    Process,
    Session,
    headers_for,
    initialize,
    modern,
    request,
    tool_call,
)
from tests.support.asgi import Http, Response, application

PARSE_ERROR = -32700
INVALID_REQUEST = -32600

NOT_JSON = {
    "empty": b"",
    "white space": b"  ",
    "broken": b'{"jsonrpc": "2.0", "id": 1, "method": ',
    "two values": b"{} {}",
    "single quotes": b"{'jsonrpc': '2.0'}",
    "not UTF-8": b'{"jsonrpc": "2.0", "id": 1, "method": "\xff"}',
}
NESTED_TOO_DEEPLY = {
    "nested 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "an object nested 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "an argument nested 300 deep": json.dumps(tool_call("echo", {"message": "x"}))
    .encode()
    .replace(b'"x"', b"[" * 300 + b"]" * 300),
    "half a pair, then an argument nested 300 deep": json.dumps(tool_call("echo", {"message": "x"}))
    .encode()
    .replace(b'"x"', rb'["\ud83d",' + b"[" * 300 + b"]" * 300 + b"]"),
}
NOT_JSON_BUT_NAN = {
    "not a number": b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": NaN}}',
    "infinity": b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": Infinity}}',
}


def _message(**fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"} | fields).encode()


def _without(*names: str) -> bytes:
    return json.dumps({k: v for k, v in json.loads(_message()).items() if k not in names}).encode()


NO_MESSAGE = {
    "an integer of 5000 digits": b'{"jsonrpc": "2.0", "method": "ping", "id": 1' + b"0" * 5000 + b"}",
    "a string": b'"ping"',
    "a number": b"1",
    "null": b"null",
    "an empty object": b"{}",
    "a batch": b"[" + _message() + b"]",
    "an empty batch": b"[]",
    "id null": _message(id=None),
    "id true": _message(id=True),
    "id 1.5": _message(id=1.5),
    "id 1.0": _message(id=1.0),
    "id an object": _message(id={}),
    "id a list": _message(id=[1]),
    "no method": _without("method"),
    "method a number": _message(method=1),
    "method null": _message(method=None),
    "params a list": _message(params=[1]),
    "params a string": _message(params="a"),
    "jsonrpc 1.0": _message(jsonrpc="1.0"),
    "jsonrpc a number": _message(jsonrpc=2.0),
    "no jsonrpc": _without("jsonrpc"),
    "a notification with params a list": b'{"jsonrpc": "2.0", "method": "notifications/x", "params": []}',
    "a response without a result": b'{"jsonrpc": "2.0", "id": "a"}',
    "an error without an id that is a string": b'{"jsonrpc": "2.0", "error": "no"}',
    "a result without an id": b'{"jsonrpc": "2.0", "result": {}}',
    "an error that is a string": b'{"jsonrpc": "2.0", "id": "a", "error": "no"}',
}


def _readable_id(body: bytes) -> Any:
    """The id with which a body is refused: that of a request, where it can be read."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    given = message.get("id") if isinstance(message, dict) and "method" in message else None
    return given if isinstance(given, str | int) and not isinstance(given, bool) else None


def _cases(*tables: tuple[dict[str, bytes], int]) -> list[Any]:
    return [pytest.param(body, code, id=name) for table, code in tables for name, body in table.items()]


async def _assert_refused(response: Response, status: int, code: int, id: Any = None) -> str:
    """Assert that it is an error, and return its message."""
    assert (response.status, response.content_type) == (status, "application/json")
    refusal = await response.json()
    assert refusal["jsonrpc"] == "2.0"
    assert refusal["id"] == id
    assert refusal["error"]["code"] == code
    message: str = refusal["error"]["message"]
    assert message
    return message


@pytest.mark.parametrize(
    ("body", "code"),
    _cases((NOT_JSON, PARSE_ERROR), (NOT_JSON_BUT_NAN, PARSE_ERROR), (NO_MESSAGE, INVALID_REQUEST)),
)
async def test_a_bad_body_is_refused_in_a_session(
    one: Process, session: Session, body: bytes, code: int
) -> None:
    response = await one.http.request("POST", headers=session.headers(), body=body)
    await _assert_refused(response, 400, code, None if code == PARSE_ERROR else _readable_id(body))


@pytest.mark.parametrize(
    ("body", "code"),
    _cases((NOT_JSON, PARSE_ERROR), (NOT_JSON_BUT_NAN, PARSE_ERROR), (NO_MESSAGE, INVALID_REQUEST)),
)
async def test_a_bad_body_is_refused_without_sessions(one: Process, body: bytes, code: int) -> None:
    headers = headers_for(mcp_protocol_version=MODERN, mcp_method="ping")
    response = await one.http.request("POST", headers=headers, body=body)
    await _assert_refused(response, 400, code, None if code == PARSE_ERROR else _readable_id(body))


@pytest.mark.parametrize("revision", [LATEST, MODERN])
@pytest.mark.parametrize("body", NESTED_TOO_DEEPLY.values(), ids=NESTED_TOO_DEEPLY)
async def test_a_body_that_is_nested_too_deeply_is_told_so(
    one: Process, session: Session, revision: str, body: bytes
) -> None:
    headers = session.headers(mcp_protocol_version=revision, mcp_method="tools/call", mcp_name="echo")
    response = await one.http.request("POST", headers=headers, body=body)
    assert f"more than {MAX_DEPTH} deep" in await _assert_refused(response, 400, PARSE_ERROR)


@pytest.mark.parametrize("revision", [LATEST, MODERN])
async def test_a_body_that_declares_too_many_bytes_is_not_read(
    one: Process, mcp_settings: Any, revision: str
) -> None:
    mcp_settings.MCP_MAX_BODY_BYTES = 100
    headers = headers_for(mcp_protocol_version=revision, content_length="101")
    await _assert_refused(await one.http.request("POST", headers=headers, body=b"{}"), 413, INVALID_REQUEST)


@pytest.mark.parametrize("revision", [LATEST, MODERN])
@pytest.mark.parametrize("declared", [None, "10"])
async def test_a_body_that_is_too_long_is_refused_whatever_length_it_declared(
    one: Process, mcp_settings: Any, revision: str, declared: str | None
) -> None:
    mcp_settings.MCP_MAX_BODY_BYTES = 100
    headers = headers_for(mcp_protocol_version=revision, content_length=declared)
    response = await one.http.request("POST", headers=headers, body=[b" " * 60, b" " * 60])
    await _assert_refused(response, 413, INVALID_REQUEST)


MANY = 1_000
"""More values than the limit that these tests set."""


@pytest.mark.parametrize("revision", [LATEST, MODERN])
@pytest.mark.parametrize(
    "params",
    [
        {"inputResponses": {f"key-{number}": 1 for number in range(MANY)}},
        {"arguments": {"message": [1] * MANY}},
        {"arguments": {"message": [[[{"a": [{}]}]]] * (MANY // 4)}},
        {"_meta": {f"key-{number}": {} for number in range(MANY)}},
    ],
    ids=["answers", "list", "nested", "meta"],
)
async def test_a_body_with_too_many_values_is_refused(
    one: Process, session: Session, mcp_settings: Any, revision: str, params: Any
) -> None:
    mcp_settings.MCP_MAX_BODY_VALUES = MANY
    call = {"name": "echo", **params}
    if revision == MODERN:
        response = await modern(one, "tools/call", call, id="mine")
    else:
        response = await session.post(one, request("tools/call", call, id="mine"))
    await _assert_refused(response, 413, INVALID_REQUEST, "mine")


async def test_text_may_have_more_commas_and_brackets_than_a_body_may_have_values(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_MAX_BODY_VALUES = MANY
    answer = await session.call(one, "echo", {"message": ",[{" * MANY})
    assert answer["result"]["content"][0]["text"] == "Echo: " + ",[{" * MANY


async def test_errors_beyond_a_readable_number_are_only_counted(one: Process, session: Session) -> None:
    arguments = {f"key-{number}": 1 for number in range(MANY)}
    params = {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": ""}}
    request_of_many = request("completion/complete", params | {"context": {"arguments": arguments}})
    answer = await (await session.post(one, request_of_many)).json()
    assert answer["error"]["code"] == -32602
    assert f"{MANY} values are invalid" in answer["error"]["message"]


def test_a_body_may_be_nested_as_deeply_as_the_limit_says() -> None:
    body = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert decode(body, len(body)) == json.loads(body)


@pytest.mark.parametrize("revision", [LATEST, MODERN])
@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x"])
async def test_a_body_with_a_content_coding_is_refused(
    one: Process, session: Session, revision: str, coding: str
) -> None:
    headers = session.headers(content_encoding=coding, mcp_protocol_version=revision)
    response = await one.http.request("POST", headers=headers, body=json.dumps(request("ping")).encode())
    assert "Content-Encoding" in await _assert_refused(response, 415, INVALID_REQUEST)
    assert response.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
async def test_a_body_that_says_that_it_has_no_coding_is_accepted(
    one: Process, session: Session, coding: str
) -> None:
    headers = session.headers(content_encoding=coding)
    response = await one.http.request("POST", headers=headers, body=json.dumps(request("ping")).encode())
    assert response.status == 200


async def test_a_body_in_chunks_is_read_completely(one: Process, session: Session) -> None:
    whole = json.dumps(tool_call("echo", {"message": "in pieces"})).encode()
    response = await one.http.request(
        "POST", headers=session.headers(), body=[whole[:20], whole[20:40], whole[40:]]
    )
    assert (await response.json())["result"]["content"][0]["text"] == "Echo: in pieces"


async def test_a_body_that_does_not_arrive_is_not_waited_for(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_app.transports.guard.BODY_SECONDS", 0)
    app = application(one.runtime)
    incomplete = [b'{"jsonrpc"']

    async def stalled(scope: Any, receive: Any, send: Any) -> None:
        async def receive_a_part() -> Any:
            if incomplete:
                return {"type": "http.request", "body": incomplete.pop(), "more_body": True}
            return await asyncio.Event().wait()

        await app(scope, receive_a_part, send)

    response = await Http(stalled).request("POST", headers=headers_for())
    await _assert_refused(response, 408, INVALID_REQUEST)


async def test_a_client_that_disconnects_before_its_body_is_complete_affects_nobody(
    one: Process, session: Session
) -> None:
    incomplete = [b'{"jsonrpc"']

    async def receive() -> dict[str, Any]:
        if incomplete:
            return {"type": "http.request", "body": incomplete.pop(), "more_body": True}
        return {"type": "http.disconnect"}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.encode(), value.encode()) for name, value in session.headers().items()]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": headers}
    await one.http.app(scope, receive, send)
    assert sent == []


@pytest.mark.parametrize("id", [2**70, -1, 0, "", "ü", "a" * 256])
async def test_an_unusual_id_is_accepted(one: Process, session: Session, id: Any) -> None:
    assert (await session.call(one, "echo", {"message": "x"}, id=id))["id"] == id


@pytest.mark.parametrize("params", [None, {}, {"protocolVersion": 1}, {"protocolVersion": "2025-11-25"}])
async def test_an_initialize_without_what_it_needs_opens_no_session(one: Process, params: Any) -> None:
    body = initialize() | {"params": params}
    if params is None:
        del body["params"]
    response = await one.http.request("POST", headers=headers_for(), body=json.dumps(body).encode())
    assert response.status == 200
    assert "mcp-session-id" not in response.headers
    assert (await response.json())["error"]["code"] == -32602


async def test_an_initialize_of_an_unknown_revision_is_offered_the_latest_of_its_era(one: Process) -> None:
    body = json.dumps(initialize("1999-01-01")).encode()
    answer = await (await one.http.request("POST", headers=headers_for(), body=body)).json()
    assert answer["result"]["protocolVersion"] == LATEST
