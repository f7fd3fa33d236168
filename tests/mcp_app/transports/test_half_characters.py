"""An unpaired surrogate in a request is valid JSON (RFC 8259 §8.2), and read as U+FFFD."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_app.protocol.messages import InvalidMessage, decode
from tests.mcp_app.transports.support import (
    MODERN,
    Held,
    Process,
    Session,
    headers_for,
    modern,
    request,
    text_of,
    tool_call,
)

HALF = "\ud83d"
"""It is sent as `\\ud83d`: `json.dumps` escapes it."""


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r'"\ud83d"', "\ufffd"),
        (r'"\uDE00 after"', "\ufffd after"),
        (r'"\ud83d\ud83d\ude00\ude00"', "\ufffd\U0001f600\ufffd"),
        (r'"\ud83d\n\ude00"', "\ufffd\n\ufffd"),
        (r'"\ud83d\\ude00"', "\ufffd\\ude00"),
        (r'"\\ud83d \\\ud83d"', "\\ud83d \\\ufffd"),
        (r'{"\ud83d": ["\ud83d"]}', {"\ufffd": ["\ufffd"]}),
        (r'"\ud83d\ude00 \ud83d"', "\U0001f600 \ufffd"),
    ],
)
def test_each_half_without_its_other_half_is_replaced(written: str, read: Any) -> None:
    assert decode(written.encode(), 100) == read


@pytest.mark.parametrize(
    "body",
    [rb'"\ud83d', rb'"\ud83d" x', rb'["\ud83d", NaN]', rb"\ud83d", b'"\xed\xa0\xbd"', rb'"\ud8"', b"\0"],
)
def test_what_is_not_json_with_a_surrogate_is_not_json_without(body: bytes) -> None:
    with pytest.raises(InvalidMessage, match="not JSON"):
        decode(body, 100)


async def test_it_may_be_in_an_argument_of_a_session(one: Process, session: Session) -> None:
    assert text_of(await session.call(one, "echo", {"message": f"a{HALF}b"})) == "Echo: a\ufffdb"


async def test_it_may_be_in_an_argument_of_2026(one: Process) -> None:
    response = await modern(one, "tools/call", {"name": "echo", "arguments": {"message": f"a{HALF}b"}})
    assert text_of(await response.json()) == "Echo: a\ufffdb"


async def test_it_may_be_in_a_key_or_nested(one: Process, session: Session) -> None:
    answer = await session.call(one, "echo", {"message": "x", HALF: {"a": [HALF]}})
    assert answer["id"] == 1
    assert "result" in answer


async def test_an_unknown_method_or_tool_with_it_is_refused_with_the_requests_id(
    one: Process, session: Session
) -> None:
    for message in (request(f"x/{HALF}", id=7), tool_call(HALF, id=7)):
        answer = await (await session.post(one, message)).answer()
        assert answer["id"] == 7
        assert answer["error"]["code"] in (-32601, -32602)


async def test_a_progress_token_may_have_it(one: Process, session: Session) -> None:
    held = Held(one)
    stream = await session.post(one, tool_call("held", progress=HALF))
    assert (await stream.next_message())["params"]["progressToken"] == "\ufffd"
    held.go.set()
    assert text_of((await stream.messages())[-1]) == "result"


@pytest.mark.parametrize("id", [HALF, f"a{HALF}"])
@pytest.mark.parametrize("revision", ["2025-11-25", MODERN])
async def test_an_id_with_it_is_refused_immediately_as_its_response_could_not_be_matched(
    one: Process, session: Session, id: str, revision: str
) -> None:
    body = json.dumps(request("ping", id=id)).encode()
    headers = session.headers() if revision != MODERN else headers_for(mcp_protocol_version=MODERN)
    response = await one.http.request("POST", headers=headers, body=body)
    refusal = await response.json()
    assert (response.status, refusal["id"], refusal["error"]["code"]) == (400, None, -32600)
    assert "`id`" in refusal["error"]["message"]


async def test_the_header_that_mirrors_it_has_its_utf_8_encoding(one: Process) -> None:
    mirrored = "=?base64?77+9?="  # U+FFFD in UTF-8: what `TextEncoder` writes for it
    params = {"name": HALF, "arguments": {}}
    response = await modern(one, "tools/call", params, mcp_name=mirrored)
    assert (await response.json())["error"]["message"] == "Unknown tool: \ufffd"
