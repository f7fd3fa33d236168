"""JSON of many shapes, to every place that reads JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.abuse.inputs import BODY, PERSON, Input
from tests.abuse.site import Site

REGISTRATION = 32_000
"""Nearly OAUTH_MAX_REGISTRATION_BYTES."""


def values(size: int) -> Iterator[tuple[str, bytes]]:
    """JSON values of nearly `size` bytes, most of them with far too many values; some are invalid."""
    yield "numbers", b"[" + b"0," * (size // 2 - 2) + b"0]"
    yield "floats", b"[" + b"1e1," * (size // 4 - 2) + b"0]"
    yield "empty arrays", b"[" + b"[]," * (size // 3 - 2) + b"[]]"
    yield "empty objects", b"[" + b"{}," * (size // 3 - 2) + b"{}]"
    yield "small objects", b"[" + b'{"a":0},' * (size // 8 - 2) + b"0]"
    yield "empty strings", b"[" + b'"",' * (size // 3 - 2) + b'""]'
    yield "strings", b"[" + b'"ab",' * (size // 5 - 2) + b'""]'
    yield "nulls", b"[" + b"null," * (size // 5 - 2) + b"0]"
    yield "members", b"{" + b",".join(b'"%x":0' % n for n in range(size // 11)) + b"}"
    yield "one member many times", b"{" + b'"a":0,' * (size // 6 - 2) + b'"a":0}'
    multiples = (n * (2**61 - 1) for n in range(size // 30))
    yield "members of equal hashes as numbers", b"{" + b",".join(b'"%d":0' % n for n in multiples) + b"}"
    yield "one string", b'"' + b"a" * (size - 2) + b'"'
    yield "one string beyond ASCII", b'"' + "é".encode() * (size // 2 - 2) + b'"'
    yield "escapes", b'"' + b"\\u0000" * (size // 6 - 1) + b'"'
    yield "backslashes", b'"' + b"\\\\" * (size // 2 - 1) + b'"'
    yield "half pairs", b'"' + b"\\ud83d" * (size // 6 - 1) + b'"'
    yield "half pairs in many strings", b"[" + b'"\\ud83d",' * (size // 9 - 2) + b"0]"
    yield "commas in a string", b'"' + b"," * (size - 2) + b'"'
    yield "escaped quotes and commas", b'"' + b'\\",' * (size // 3 - 2) + b'"'
    yield "strings of commas", b"[" + b'",",' * (size // 4 - 2) + b"0]"
    yield "a number of 4 MB", b"1" * size
    yield "a fraction of 4 MB", b"0." + b"1" * (size - 2)
    yield "an exponent of 4 MB", b"1e" + b"1" * (size - 2)
    yield "integers of 4,000 digits", b"[" + (b"1" * 4000 + b",") * (size // 4001 - 2) + b"0]"
    yield "integers of 100,000 digits", b"[" + (b"1" * 100_000 + b",") * (size // 100_001 - 2) + b"0]"
    yield "1e999999", b"[" + b"1e999999," * (size // 9 - 2) + b"0]"
    yield "brackets", b"[" * size
    yield "nested arrays", b"[" * (size // 2) + b"]" * (size // 2)
    yield "nested objects", b'{"a":' * (size // 6) + b"0" + b"}" * (size // 6)
    yield "nested 190 deep", b"[" + (b"[" * 190 + b"]" * 190 + b",") * (size // 381 - 2) + b"0]"
    yield "spaces", b" " * (size - 1) + b"0"
    yield "an end that is missing", b"[" + b"0," * (size // 2 - 1)
    yield "zeroes", b"\0" * size
    yield "bytes that are not UTF-8", b'"' + b"\xff" * (size - 2) + b'"'
    yield "19,000 arrays", b"[" + b"[]," * 19_000 + b"0]"
    yield (
        "9,000 members and a long string",
        (
            b'{"b":"'
            + b"a" * (max(0, size - 200_000))
            + b'"'
            + b"".join(b',"%x":0' % n for n in range(9000))
            + b"}"
        ),
    )


def _call(argument: bytes) -> bytes:
    head = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":'
    return head + argument + b"}}}"


def _of_stranger(name: str, body: bytes) -> Input:
    return Input("body", name, lambda site: site.post(body, target="/register"))


def _in_session(name: str, body: bytes) -> Input:
    def make(site: Site) -> bytes:
        return site.post(body, *site.open_session(PERSON), person=PERSON)

    return Input("body", name, make)


def inputs() -> Iterator[Input]:
    for name, value in values(BODY):
        yield _in_session(f"{name}, as the message", value)
        yield _in_session(f"{name}, as an argument", _call(value))
    for name, value in values(REGISTRATION):
        yield _of_stranger(f"{name}, to /register", value)
    batch = b"[" + (json.dumps({"jsonrpc": "2.0", "method": "a"}).encode() + b",") * 4000
    yield _in_session("a batch of notifications", batch[:-1] + b"]")
