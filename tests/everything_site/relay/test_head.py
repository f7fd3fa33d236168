"""The head of a request: bounded, and passed on as it came but for what concerns the connection."""

from __future__ import annotations

import asyncio

import pytest

from everything_site.relay import head as module
from everything_site.relay.head import MAX_HEAD_BYTES, Head, Refusal, read_head


def _reader(data: bytes, *, is_all: bool = True) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=MAX_HEAD_BYTES)
    reader.feed_data(data)
    if is_all:
        reader.feed_eof()
    return reader


def test_only_what_concerns_the_connection_is_changed() -> None:
    lines = [
        b"POST /mcp?a=1 HTTP/1.1",
        b"Host: localhost:3232",
        b"CONNECTION: keep-alive,",
        b"\tx-own",
        b"X-Forwarded-For: 192.0.2.1",
        b"X-Try-Process: p2",
        b"x-odd:\xe9  two",
    ]
    head = Head(b"\r\n".join([*lines, b"", b""]))
    passed_on = [lines[0], lines[1], lines[4], lines[6], b"Connection: close", b"", b""]
    assert head.for_one_request() == b"\r\n".join(passed_on)
    assert (head.method, head.path) == (b"POST", b"/mcp")
    assert head.values(b"x-odd") == [b"\xe9  two"]


def test_a_request_for_another_protocol_keeps_its_connection_header() -> None:
    head = Head(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    assert b"Connection: Upgrade" in head.for_one_request()
    assert b"close" not in head.for_one_request()


async def test_empty_lines_before_a_head_are_skipped() -> None:
    head = await read_head(_reader(b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    assert head is not None
    assert head.values(b"host") == [b"a"]


async def test_a_client_that_leaves_in_the_middle_has_sent_nothing() -> None:
    assert await read_head(_reader(b"GET / HTTP/1.1\r\nHost")) is None


async def test_a_head_that_is_too_large_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        await read_head(_reader(b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES, is_all=False))
    assert refused.value.response().startswith(b"HTTP/1.1 431 ")


async def test_a_head_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_SECONDS", 0.01)
    with pytest.raises(Refusal) as refused:
        await read_head(_reader(b"GET / HTTP/1.1\r\n", is_all=False))
    assert refused.value.status == 408
