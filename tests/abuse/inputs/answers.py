"""Answers to questions of the server: forms with rules, and model output."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

from tests.abuse.inputs import BODY, PERSON, Input
from tests.abuse.site import SECONDS, Site

MANY = 18_000
LONG = BODY - 2_000

CAPABILITIES: dict[str, Any] = {"elicitation": {}, "sampling": {}, "roots": {}}


def _answer(tool: str, name: str, result: Any, arguments: dict[str, Any] | None = None) -> Input:
    def make(site: Site) -> bytes:
        session = site.open_session(PERSON, **CAPABILITIES)
        params = {"name": tool, "arguments": arguments or {}}
        call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
        question = _first_request(site, site.post(call.encode(), *session, person=PERSON))
        body = json.dumps({"jsonrpc": "2.0", "id": question, "result": result}).encode()
        return site.post(body, *session, person=PERSON)

    return Input("answer", f"{tool}: {name}", make)


def _first_request(site: Site, call: bytes) -> Any:
    """The id of the first request on the response to a call, which is then left alone."""
    with socket.create_connection(("127.0.0.1", site.ports[0]), timeout=SECONDS) as connection:
        connection.sendall(call)
        with connection.makefile("rb") as file:
            for line in file:
                if line.startswith(b"data: {"):
                    return json.loads(line.removeprefix(b"data: "))["id"]
    raise RuntimeError("The server asked nothing.")


def inputs() -> Iterator[Input]:
    def accepted(content: Any) -> Any:
        return {"action": "accept", "content": content}

    yield _answer("elicitInputs", "unknown fields", accepted({f"k{n}": 1 for n in range(MANY)}))
    for text in ("a", "a@", "@a.", "a.", "http:%41", "é", "2020-01-01"):
        for field in ("email", "homepage", "birthdate", "name"):
            value = (text * LONG)[: LONG // (6 if text == "é" else 1)]
            yield _answer("elicitInputs", f"{field} {text}…", accepted({"name": "a", field: value}))
    yield _answer(
        "elicitInputs", "an integer of 4,000 digits", accepted({"name": "a", "integer": int("9" * 4000)})
    )
    for field in ("untitledMulti", "titledMulti"):
        for name, item in (("strings", "a"), ("numbers", 1), ("objects", {})):
            chosen = accepted({field: [item] * MANY})
            yield _answer("test_elicitation_sep1330_enums", f"{field} of {name}", chosen)
    asked = {"prompt": "a"}
    blocks: tuple[tuple[str, Any], ...] = (
        ("blocks of text", [{"type": "text", "text": "a"}] * (MANY // 3)),
        ("blocks of no type", [{"a": "b"}] * (MANY // 2)),
        ("blocks of a wrong type", [{"type": "a"}] * (MANY // 2)),
        ("numbers", [1] * MANY),
        ("a long text", {"type": "text", "text": "a" * LONG}),
        ("a long image", {"type": "image", "data": "!" * LONG, "mimeType": "a/b"}),
        ("results in results", [{"type": "tool_result", "toolUseId": "a", "content": [{"a": 1}] * 2000}] * 4),
    )
    for name, written in blocks:
        result = {"role": "assistant", "model": "m", "content": written}
        yield _answer("sampleLLM", name, result, asked)
    yield _answer("get-roots-list", "many roots", {"roots": [{"uri": "file:///a"}] * (MANY // 2)})
    yield _answer("get-roots-list", "invalid roots", {"roots": [1] * MANY})
    yield _answer("get-roots-list", "a long root", {"roots": [{"uri": "file:///" + "a" * LONG}]})
