"""A large body costs no more work than reading it: nothing is parsed in vain, or copied again and again."""

from __future__ import annotations

import json
from typing import Any, Literal

import pydantic_core
import pytest
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult

from mcp_app.coordination.shared_timeout import SharedTimeout
from mcp_app.protocol.json_cost import MAX_DIGITS
from mcp_app.protocol.messages import MAX_HALF_PAIRS, InvalidMessage, TooManyValues, decode
from mcp_app.protocol.tool_server import ToolServer
from mcp_app.transports.request import Request

LIMIT = 100
MANY = 10_000

FAR_TOO_MANY = {
    "numbers": b"[" + b"0," * MANY + b"0]",
    "empty arrays": b"[" + b"[]," * MANY + b"[]]",
    "members": b"{" + b'"a":0,' * MANY + b'"b":0}',
    "nested arrays": b"[" * MANY + b"]" * MANY,
    "nested objects": b'{"a":' * MANY + b"0" + b"}" * MANY,
    "strings of commas": b"[" + b'",",' * MANY + b"0]",
    "after escaped quotes": b'["' + b'\\",' * 5 + b'"' + b",0" * MANY + b"]",
    "after a long string": b'["' + b"x" * 200_001 + b'"' + b",0" * MANY + b"]",
    "between strings": b"[" + b'",[{",' * 50_000 + b"0]",
    "after an escaped backslash": b'["\\\\"' + b",0" * MANY + b"]",
}
TEXTS = {
    "punctuation": b",[{" * MANY,
    "escaped quotes": b'\\",[{' * MANY,
    "long": b",[{x" * 100_000,
    "backslashes and quotes": b'\\\\\\",[{' * MANY,
}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of everything that is parsed as JSON."""
    sizes: list[int] = []
    parse = pydantic_core.from_json

    def counting(body: bytes, **options: Any) -> Any:
        sizes.append(len(body))
        return parse(body, **options)

    monkeypatch.setattr(pydantic_core, "from_json", counting)
    return sizes


@pytest.mark.parametrize("body", FAR_TOO_MANY.values(), ids=FAR_TOO_MANY)
def test_a_body_with_far_too_many_values_is_not_parsed(parsed: list[int], body: bytes) -> None:
    with pytest.raises(TooManyValues):
        decode(body, LIMIT)
    assert parsed == []


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_is_in_a_string_is_not_counted(text: bytes) -> None:
    assert decode(b'["' + text + b'"]', LIMIT) == json.loads(b'["' + text + b'"]')


def test_the_half_pairs_of_a_cut_text_are_replaced_but_not_endlessly_many() -> None:
    assert decode(b'"' + rb"\ud83d" * MAX_HALF_PAIRS + b'"', LIMIT) == "\ufffd" * MAX_HALF_PAIRS
    with pytest.raises(InvalidMessage, match="not JSON"):
        decode(b'"' + rb"\ud83d" * (MAX_HALF_PAIRS + 1) + b'"', LIMIT)


LONG = b"1" * (MAX_DIGITS + 1)


@pytest.mark.parametrize(
    "number", [LONG, b"-" + LONG, b"0." + LONG, b"1e-" + b"0" * MAX_DIGITS + b"1", LONG * 10]
)
def test_a_number_that_nobody_can_use_is_refused(number: bytes) -> None:
    with pytest.raises(InvalidMessage, match="digits") as refused:
        decode(b'{"id": 7, "a": ["1", ' + number + b"]}", LIMIT)
    assert refused.value.request_id == 7


def test_an_id_of_which_only_a_part_was_parsed_is_not_repeated() -> None:
    with pytest.raises(InvalidMessage, match="digits") as refused:
        decode(b'{"id": "%s", "a": %s}' % (LONG, LONG), LIMIT)
    assert refused.value.request_id is None


def test_broken_json_with_a_long_number_is_not_json() -> None:
    with pytest.raises(InvalidMessage, match="not JSON"):
        decode(b'{"id": 7, "a": %s' % LONG, LIMIT)


@pytest.mark.parametrize("value", [b'"%s"' % LONG, b'"\\"%s"' % LONG, LONG[1:], LONG[1:] + b"." + LONG[1:]])
def test_digits_in_a_string_and_shorter_numbers_are_read(value: bytes) -> None:
    assert decode(b"[" + value + b"]", LIMIT) == json.loads(b"[" + value + b"]")


class Piece(bytes):
    """A piece of a body that notices if what precedes it is copied to be joined with it."""

    copied = 0

    def __radd__(self, before: bytes) -> bytes:
        Piece.copied += len(before)
        return bytes(before) + bytes(self)


async def test_a_body_that_comes_byte_by_byte_is_not_copied_with_each_byte() -> None:
    pieces = [Piece(b"x") for _ in range(1000)]

    async def receive() -> Any:
        return {"type": "http.request", "body": pieces.pop(), "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        raise AssertionError("nothing is answered")

    scope = {"method": "POST", "headers": [(b"content-type", b"application/json")]}
    assert await Request(scope, receive, send, SharedTimeout(10)).read_post() == b"x" * 1000
    assert Piece.copied == 0


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of everything that the SDK parses as JSON in a string."""
    sizes: list[int] = []
    load = json.loads

    def counting(text: Any, **options: Any) -> Any:
        sizes.append(len(text))
        return load(text, **options)

    monkeypatch.setattr(json, "loads", counting)
    return sizes


@pytest.fixture
def tools() -> ToolServer:
    async def take(text: str, numbers: list[int], kind: Literal["a", "b"] = "a") -> str:
        return f"{len(text)} {len(numbers)}"

    server = ToolServer("tools")
    server.most_values = LIMIT
    server.add_tool(take)
    return server


@pytest.mark.parametrize("name", ["numbers", "kind"])
async def test_json_of_far_too_many_values_in_a_string_is_not_parsed(
    loaded: list[int], tools: ToolServer, name: str
) -> None:
    arguments = {"text": "", "numbers": [], name: "[" + "0," * MANY + "0]"}
    with pytest.raises(ToolError, match=f"`{name}` has more than {LIMIT} values"):
        await tools.call_tool("take", arguments)
    assert loaded == []


async def test_a_text_may_be_json_of_any_number_of_values_and_a_list_json_of_a_few(tools: ToolServer) -> None:
    arguments = {"text": "[" + "0," * MANY + "0]", "numbers": "[1, 2" + " " * MANY + "]"}
    result = await tools.call_tool("take", arguments)
    assert isinstance(result, CallToolResult)
    assert result.content[0].model_dump()["text"] == f"{len(arguments['text'])} 2"
