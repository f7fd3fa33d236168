"""Parameters that validation, matching or encoding may take long for, each within the limits of a body."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from tests.abuse.inputs import BODY, PERSON, Input
from tests.abuse.site import Site
from tests.bench.traffic import ENVELOPE

LONG = BODY - 2_000
MANY = 19_000
"""Nearly MCP_MAX_BODY_VALUES."""

WIDE: dict[str, Any] = {f"k{n}": n for n in range(MANY)}

MODERN = "MCP-Protocol-Version: 2026-07-28"


def _request(name: str, method: str, params: Any, **members: Any) -> Input:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params} | members).encode()

    def make(site: Site) -> bytes:
        return site.post(body, *site.open_session(PERSON), person=PERSON)

    return Input("parameters", name, make)


def _stateless(name: str, method: str, params: Any) -> Input:
    body = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": ENVELOPE}}
    ).encode()

    def make(site: Site) -> bytes:
        return site.post(body, MODERN, f"Mcp-Method: {method}", "Mcp-Name: echo", person=PERSON)

    return Input("parameters", f"{name}, 2026-07-28", make)


def _uris(text: str, number: int, length: int) -> list[str]:
    """Different URIs that nearly match a template, each of so many characters."""
    return [f"test://template/{n}/{text * length}"[:length] for n in range(number)]


def _of_methods() -> Iterator[Input]:
    yield _request("a long method", "a" * LONG, {})
    yield _request("a long id", "ping", {}, id="a" * LONG)
    yield _request("a long progress token", "ping", {"_meta": {"progressToken": "a" * LONG}})
    yield _request("a long cursor", "tools/list", {"cursor": "a" * LONG})
    yield _request("a long encoded cursor", "resources/list", {"cursor": "eyJ" * (LONG // 3)})
    nested = base64.urlsafe_b64encode(b'["tools",' + b"[]," * (LONG // 5) + b"0]").decode()
    yield _request("a cursor of many values", "tools/list", {"cursor": nested})
    yield _request("a wide _meta", "tools/list", {"_meta": WIDE})
    yield _request("a long log level", "logging/setLevel", {"level": "a" * LONG})
    yield _request(
        "a long trace", "ping", {"_meta": {"traceparent": "00-" + "a" * LONG, "baggage": "a=b," * 500_000}}
    )
    each: dict[str, Any]
    for each in (
        {"experimental": {f"k{n}": {} for n in range(9_000)}},
        {"experimental": {"a": "b" * LONG}},
    ):
        params: dict[str, Any] = {
            "protocolVersion": "2025-11-25",
            "capabilities": each,
            "clientInfo": {"name": "a", "version": "b"},
        }
        yield _request(f"capabilities of {len(str(each)):,} bytes", "initialize", params)
    icons = [{"src": "https://a"}] * 9_000
    info = {"name": "a" * 1_000_000, "version": "b", "icons": icons, "title": "c" * 1_000_000}
    yield _request(
        "much clientInfo",
        "initialize",
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info},
    )
    for start in (
        "test://static/resource/",
        "note://",
        "session://files/",
        "ui://",
        "skill://",
        "data:",
        "a",
    ):
        for text in ("a", "a/", "%41", "%", "..", "{", "é"):
            uri = start + text * (LONG // (6 if text == "é" else len(text)))
            yield _request(f"the URI {start}{text}…", "resources/read", {"uri": uri})
    yield _request("a long URI to subscribe to", "resources/subscribe", {"uri": "note://" + "a" * LONG})
    yield _request("a long URI to unsubscribe from", "resources/unsubscribe", {"uri": "note://" + "a" * LONG})
    yield _request("a long name of a prompt", "prompts/get", {"name": "a" * LONG})
    yield _request(
        "many arguments of a prompt",
        "prompts/get",
        {"name": "complex_prompt", "arguments": {f"k{n}": "a" for n in range(MANY)}},
    )
    yield _request(
        "a long argument of a prompt",
        "prompts/get",
        {"name": "complex_prompt", "arguments": {"temperature": "1" * LONG}},
    )
    ref = {"type": "ref/resource", "uri": "test://static/resource/{id}"}
    yield _request(
        "a long value to complete",
        "completion/complete",
        {"ref": ref, "argument": {"name": "id", "value": "1" * LONG}},
    )
    yield _request(
        "a long template to complete",
        "completion/complete",
        {
            "ref": {"type": "ref/resource", "uri": "{a}" * (LONG // 3)},
            "argument": {"name": "id", "value": ""},
        },
    )
    context = {"arguments": {f"k{n}": "a" for n in range(MANY - 20)}}
    yield _request(
        "much context to complete",
        "completion/complete",
        {"ref": ref, "argument": {"name": "id", "value": ""}, "context": context},
    )
    yield _request("params of invalid types", "resources/read", {"uri": list(range(MANY))})
    yield _request("a cancellation of a long id", "notifications/cancelled", {"requestId": "a" * LONG})
    yield _stateless(
        "19,000 subscriptions",
        "subscriptions/listen",
        {"notifications": {"resourceSubscriptions": ["a:" + "b" * 190] * MANY}},
    )
    for text in ("a", "%41", "%", "\U0001f600"):
        for number, length in ((1000, 256), (1000, 2048), (128, 2048)):
            yield _stateless(
                f"{number} subscriptions of {length} {text}",
                "subscriptions/listen",
                {"notifications": {"resourceSubscriptions": _uris(text, number, length)}},
            )
    yield _stateless("a long name", "tools/call", {"name": "a" * LONG, "arguments": {}})
    yield _stateless(
        "wide input responses",
        "tools/call",
        {"name": "echo", "arguments": {}, "inputResponses": {f"k{n}": {} for n in range(MANY)}},
    )
    yield _stateless(
        "a long request state",
        "tools/call",
        {"name": "elicitInputs", "arguments": {}, "inputResponses": {}, "requestState": "a." * (LONG // 2)},
    )
    yield _stateless("a wide _meta", "tools/call", {"name": "echo", "arguments": {"message": ""}, "_x": WIDE})


def _call(tool: str, name: str, arguments: Any) -> Input:
    return _request(f"{tool}: {name}", "tools/call", {"name": tool, "arguments": arguments})


def of_tools(tools: list[dict[str, Any]]) -> Iterator[Input]:
    """Arguments for each tool that a server lists, by its schema."""
    for tool in tools:
        names = list(tool["inputSchema"].get("properties", {}))
        yield _call(tool["name"], "unknown arguments", WIDE)
        if not names:
            continue
        share = MANY // len(names)
        yield _call(
            tool["name"], "arrays of invalid items", {each: [{"a": 1}] * (share // 2) for each in names}
        )
        yield _call(tool["name"], "objects", {each: {f"k{n}": 1 for n in range(share)} for each in names})
        size = LONG // len(names)
        for text in ("a", "9", "-", "@", "a.", "https://a/%41", "data:,"):
            yield _call(tool["name"], f"{text}…", dict.fromkeys(names, (text * size)[:size]))
        # The SDK reads JSON in a string, as some clients send it.
        for text in ("[],", "{},", "0,", '\\"a\\",'):
            inner = "[" + (text * size)[: size // len(text) * len(text) - 10].rstrip(",") + "]"
            yield _call(
                tool["name"], f"a string of [{text}…", {each: inner.replace('\\"', '"') for each in names}
            )
        yield _call(tool["name"], "a string of brackets", dict.fromkeys(names, "[" * size))
        yield _call(tool["name"], "a string of digits", dict.fromkeys(names, "1" * size))


def _of_data() -> Iterator[Input]:
    """Data to be decoded, far more than is allowed."""
    for head in ("data:,", "data:;base64,"):
        for text in ("%", "%41", "%zz", "A"):
            data = {"data": head + text * (LONG // len(text))}
            yield _call("gzip-file-as-resource", f"{head}{text}…", data)


def inputs(tools: list[dict[str, Any]]) -> Iterator[Input]:
    yield from _of_methods()
    yield from _of_data()
    yield from of_tools(tools)
