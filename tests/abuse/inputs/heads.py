"""Heads: many lines, long lines, and values that something decodes; and bodies in many pieces."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from tests.abuse.inputs import BODY, HEAD, PERSON, Input
from tests.abuse.site import Site
from tests.bench.traffic import STATELESS_CALL, STATELESS_HEADERS
from tests.support.wire import ECHO

LARGE = 1_000_000
"""What only some servers read."""


def _head(name: str, *lines: str, target: str = "/mcp", method: str = "GET", person: str = "") -> Input:
    def make(site: Site) -> bytes:
        return site.head(method, target, *lines, person=person, length=0)

    return Input("head", name, make)


def _stateless(name: str, *lines: str) -> Input:
    """A call at 2026-07-28 with more headers."""

    def make(site: Site) -> bytes:
        usual = [f"{key}: {value}" for key, value in STATELESS_HEADERS.items()]
        return site.post(json.dumps(STATELESS_CALL).encode(), *usual, *lines, person=PERSON)

    return Input("head", name, make)


def _heads() -> Iterator[Input]:
    for size in (HEAD, LARGE):
        yield _head(f"{size:,} bytes in lines of 5", *["a:b"] * (size // 5), target="/healthz")
        yield _head(f"{size:,} bytes in lines of 5, to /mcp", *["a:b"] * (size // 5), person=PERSON)
        yield _head(f"one header of {size:,} bytes", "X-A: " + "b" * size)
        yield _head(f"{size:,} bytes of folded lines", "X-A: b", *[" c"] * (size // 4), target="/healthz")
        yield _head(f"{size:,} bytes of cookies", "Cookie: " + "a=b; " * (size // 5), target="/admin/login/")
        yield _head(f"{size:,} bytes of quotes in a cookie", 'Cookie: a="' + '\\"' * (size // 2), target="/")
        for accept in (",", "a/b;q=0,", ";", "q=0;"):
            line = "Accept: " + accept * (size // len(accept))
            yield _head(f"{size:,} bytes of Accept {accept!r}", line, person=PERSON)
            yield _head(f"{size:,} bytes of Accept {accept!r}, to a page", line, target="/connections")
        yield _head(
            f"{size:,} bytes of Accept-Language", "Accept-Language: " + "a," * (size // 2), target="/"
        )
        yield _head(f"a token of {size:,} bytes", "Authorization: Bearer " + "a" * size)
        yield _head(f"spaces before a token, {size:,} bytes", "Authorization: Bearer" + " " * size + "x")
        token = ".".join(
            base64.urlsafe_b64encode(b'{"alg":"none"}' * (size // 60)).decode() for _ in range(3)
        )
        yield _head(f"a JWT of {size:,} bytes", f"Authorization: Bearer {token}")
        yield _head(f"an origin of {size:,} bytes", "Origin: http://" + "a." * (size // 2))
        yield _head(f"an IPv6 origin of {size:,} bytes", "Origin: http://[" + ":" * size + "]")
        yield _head(f"If-Modified-Since of {size:,} bytes", "If-Modified-Since: " + "1" * size, target="/")
        yield _head(f"Range of {size:,} bytes", "Range: bytes=" + "0-1," * (size // 4), target="/")
        yield _head(
            f"X-Forwarded-For of {size:,} bytes", "X-Forwarded-For: " + "1," * (size // 2), target="/token"
        )
        pairs = "a=b&" * (size // 4)
        for target in ("/mcp", "/authorize", "/message", "/"):
            yield _head(f"a query of {size:,} bytes to {target}", target=f"{target}?{pairs}", person=PERSON)
        yield _head(f"a query of {size:,} semicolons", target="/mcp?" + ";" * size, person=PERSON)
        yield _head(
            f"percent-encodings, {size:,} bytes", target="/mcp?a=" + "%41" * (size // 3), person=PERSON
        )
        yield _head(f"a path of {size:,} bytes", target="/" + "a/" * (size // 2))
        yield _head(f"a path of {size:,} dots", target="/static/" + "../" * (size // 3))
        for scheme in ("https://", "https://a.b/"):
            url = scheme + "a-" * (size // 2)
            yield _head(f"a client id of {size:,} bytes, {scheme}", target=f"/authorize?client_id={url}")
            address = f"/authorize?client_id=x&redirect_uri={url}&response_type=code"
            yield _head(f"a redirect URI of {size:,} bytes, {scheme}", target=address)
        yield _head(f"a session id of {size:,} bytes", "Mcp-Session-Id: " + "a" * size, person=PERSON)
        position = "Last-Event-ID: r0_" + "1" * size
        yield _head(f"Last-Event-ID of {size:,} bytes", position, "Accept: text/event-stream", person=PERSON)
        yield _head(f"{size:,} bytes of versions", *["MCP-Protocol-Version: 2"] * (size // 26), person=PERSON)
        encoded = f"=?base64?{base64.b64encode(b'a' * (size // 2)).decode()}?="
        yield _stateless(f"Mcp-Name of {size:,} encoded bytes", f"Mcp-Name: {encoded}")
        yield _stateless(f"Mcp-Name of {size:,} bytes", "Mcp-Name: " + "=?" * (size // 2))
        yield _stateless(f"{size:,} bytes of Mcp-Param-…", *(f"Mcp-Param-{n}: x" for n in range(size // 20)))
        yield _head(f"a host of {size:,} bytes", "Host: " + "a" * size)
        yield _head(f"a method of {size:,} bytes", method="A" * size)
    yield _head("100,000 lines", *["a:b"] * 100_000)
    yield _head("a Content-Length of 10,000 digits", "Content-Length: " + "1" * 10_000)


def _chunked(name: str, body: bytes, *, person: str = PERSON, target: str = "/mcp") -> Input:
    def make(site: Site) -> bytes:
        usual = ("Content-Type: application/json", "Accept: application/json, text/event-stream")
        return site.head("POST", target, *usual, "Transfer-Encoding: chunked", person=person) + body

    return Input("head", name, make)


def _chunks() -> Iterator[Input]:
    text = json.dumps({**ECHO, "params": {"name": "echo", "arguments": {"message": "x" * LARGE}}}).encode()
    single = b"".join(b"1\r\n%c\r\n" % byte for byte in text) + b"0\r\n\r\n"
    yield _chunked("1,000,000 chunks of a byte", single)
    yield _chunked("1,000,000 chunks of a byte, by a stranger", single, person="", target="/healthz")
    yield _chunked("1,000,000 chunks of a byte, to /token", single, person="", target="/token")
    yield _chunked(
        "a chunk extension of 4 MB", b"1;" + b"a" * BODY + b"\r\nx\r\n0\r\n\r\n", target="/healthz"
    )
    extensions = b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in text[-100_000:]) + b"0\r\n\r\n"
    yield _chunked("100,000 chunk extensions", extensions)
    trailers = b"1\r\nx\r\n0\r\n" + b"a: b\r\n" * 500_000 + b"\r\n"
    yield _chunked("500,000 trailers", trailers, target="/healthz")
    yield _chunked("a chunk size of 4 MB", b"0" * BODY + b"1\r\nx\r\n0\r\n\r\n", target="/healthz")


def inputs() -> Iterator[Input]:
    yield from _heads()
    yield from _chunks()
