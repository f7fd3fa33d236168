"""A request with too large or too odd a head is refused before anything works on it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.web.http import HTTPChannel

from mcp_app.transports.head_limit import MAX_HEAD_BYTES, MAX_HEADERS, HeadLimit


class Asked:
    """An application that counts its requests."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.times += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def head(
    app: Any,
    headers: list[tuple[bytes, bytes]],
    *,
    path: str = "/",
    query: bytes = b"",
    version: str = "1.0",
) -> int:
    scope = {
        "type": "http",
        "http_version": version,
        "path": path,
        "query_string": query,
        "headers": headers,
    }
    statuses = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    await app(scope, None, send)
    status: int = statuses[0]
    return status


def test_the_limits_of_a_head_are_those_of_daphne() -> None:
    assert (HTTPChannel.totalHeadersSize, HTTPChannel.maxHeaders) == (MAX_HEAD_BYTES, MAX_HEADERS)


@pytest.mark.parametrize(
    ("headers", "path", "query"),
    [
        ([(b"a", b"")] * (MAX_HEADERS + 1), "/", b""),
        ([(b"a", b"b" * MAX_HEAD_BYTES)], "/", b""),
        ([(b"a" * MAX_HEAD_BYTES, b"")], "/", b""),
        ([(b"a", b"b" * (MAX_HEAD_BYTES // 2))] * 2, "/", b""),
        ([], "/" + "a" * MAX_HEAD_BYTES, b""),
        ([], "/", b"a" * MAX_HEAD_BYTES),
    ],
    ids=["lines", "value", "name", "together", "path", "query"],
)
async def test_a_head_that_daphne_would_not_read_is_refused_under_every_server(
    headers: list[tuple[bytes, bytes]], path: str, query: bytes
) -> None:
    app = Asked()
    assert await head(HeadLimit(app), headers, path=path, query=query) == 431
    assert app.times == 0


HOST = (b"host", b"localhost")


@pytest.mark.parametrize(
    ("version", "headers", "status"),
    [
        ("1.1", [], 400),
        ("1.1", [HOST, HOST], 400),
        ("1.1", [HOST], 200),
        ("1.0", [], 200),
        ("2", [], 200),
        *(
            ("1.1", [HOST, (b"content-length", length)], 400)
            for length in (b"", b"x", b"-1", b"1,1", b"9" * 30)
        ),
        ("1.1", [HOST, (b"content-length", b"10")], 200),
    ],
)
async def test_a_request_has_one_host_and_a_length_that_is_a_number(
    version: str, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    app = Asked()
    assert await head(HeadLimit(app), headers, version=version) == status
    assert app.times == (status == 200)


async def test_a_head_within_the_limits_is_served() -> None:
    app = Asked()
    headers = [(b"a", b"")] * (MAX_HEADERS - 1) + [(b"b", b"c" * (MAX_HEAD_BYTES - MAX_HEADERS - 100))]
    assert await head(HeadLimit(app), headers) == 200
