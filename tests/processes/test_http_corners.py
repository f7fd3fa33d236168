"""Corners of HTTP/1.1 in which other servers have hung, crashed, or answered the wrong request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.mcp_app.transports.support import initialize, modern_request, tool_call
from tests.processes.support import Site

PATIENCE = 20


class Wire:
    """A connection to one process, byte by byte."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str, port: int
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._token = token
        self._port = port

    def head(self, *more: str, length: int, version: str = "HTTP/1.1") -> bytes:
        lines = [
            f"POST /mcp {version}",
            f"Host: localhost:{self._port}",
            f"Authorization: Bearer {self._token}",
            "Accept: application/json, text/event-stream",
            "Content-Type: application/json",
            f"Content-Length: {length}",
            *more,
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next response."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status_line, *lines = head.split("\r\n")[:-2]
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            if "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            elif headers.get("transfer-encoding") == "chunked":
                body = await self._chunks()
            elif status_line.split()[1] == "100":
                body = b""
            else:
                body = await self.reader.read()
        return int(status_line.split()[1]), headers, body

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body


@pytest.fixture
async def wire(site: Site) -> AsyncIterator[Wire]:
    port = site.servers[0].port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield Wire(reader, writer, site.people["alice"].token, site.front.port)
    writer.close()


def encoded(message: Any) -> bytes:
    return json.dumps(message).encode()


async def test_an_upgrade_to_http_2_that_nobody_wants_is_ignored_and_its_body_read(wire: Wire) -> None:
    body = encoded(initialize())
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ")
    wire.send(wire.head(*upgrade, length=len(body)) + body)
    status, headers, answer = await wire.response()
    assert status == 200
    assert "upgrade" not in headers
    assert "result" in json.loads(answer)


@pytest.mark.parametrize("pieces", [1, 2, 50])
async def test_a_body_sent_after_100_continue_is_received(wire: Wire, pieces: int) -> None:
    body = encoded(initialize())
    wire.send(wire.head("Expect: 100-continue", length=len(body)))
    status, _, _ = await wire.response()
    assert status == 100
    step = -(-len(body) // pieces)
    for start in range(0, len(body), step):
        wire.send(body[start : start + step])
        await wire.writer.drain()
    status, _, answer = await wire.response()
    assert status == 200
    assert "result" in json.loads(answer)


async def test_a_stream_over_http_1_0_ends_with_its_connection(wire: Wire) -> None:
    call = tool_call("longRunningOperation", {"duration": 0.2, "steps": 2}, progress="p")
    headers, body = modern_request(call)
    wire.send(wire.head(*headers, length=len(body), version="HTTP/1.0") + body)
    status, given, answer = await wire.response()
    assert status == 200
    assert given["content-type"].startswith("text/event-stream")
    assert "transfer-encoding" not in given
    assert b'"result"' in answer


async def test_a_request_behind_a_stream_on_one_connection_is_answered_after_it(wire: Wire) -> None:
    slow = tool_call("longRunningOperation", {"duration": 0.2, "steps": 2}, id=1, progress="p")
    quick = tool_call("echo", {"message": "second"}, id=2)
    for headers, body in (modern_request(slow), modern_request(quick)):
        wire.send(wire.head(*headers, length=len(body)) + body)
    status, given, stream = await wire.response()
    assert (status, given["content-type"].partition(";")[0]) == (200, "text/event-stream")
    assert b'"id":1' in stream
    assert b"Echo: " not in stream
    status, _, answer = await wire.response()
    assert status == 200
    assert json.loads(answer)["id"] == 2
