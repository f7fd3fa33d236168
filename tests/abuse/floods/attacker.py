"""What a flood is made with: many connections, and as little work as possible for each request."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from tests.abuse.site import STREAM_OR_JSON, Answer, Site
from tests.bench.traffic import ENVELOPE
from tests.support.wire import INITIALIZE

ANSWER_SECONDS = 15.0
"""The longest wait for one answer."""

Reader = asyncio.StreamReader
JSON = "application/json"
Body = bytes | dict[str, Any] | list[dict[str, Any]]


class Connection:
    """One HTTP/1.1 connection to a process, opened when it is needed and again after it was closed."""

    def __init__(self, attacker: Attacker, port: int) -> None:
        self._attacker = attacker
        self._port = port
        self._streams: tuple[Reader, asyncio.StreamWriter] | None = None

    async def post(
        self, body: Body, *lines: str, target: str = "/mcp", kind: str = JSON, hold: bool = False
    ) -> Answer:
        """POST JSON, or bytes of another kind; `hold`: see `exchange`."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        accept = f"Accept: {STREAM_OR_JSON}"
        head = self._attacker.head("POST", target, f"Content-Type: {kind}", accept, *lines, length=len(data))
        return await self.exchange(head + data, hold=hold)

    async def get(self, target: str, *lines: str, hold: bool = False) -> Answer:
        return await self.exchange(self._attacker.head("GET", target, *lines), hold=hold)

    async def exchange(self, request: bytes, *, hold: bool = False) -> Answer:
        """Send a request, and count its answer by status; status 0 is a connection that ended.

        Of an event stream everything is read, or with `hold` only the first message, and it stays open. The
        id of its first event is then the header `first-event-id`.
        """
        answer = Answer(0, {}, b"")
        with contextlib.suppress(OSError, EOFError, ValueError, IndexError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await self._connected()
                writer.write(request)
                answer = await _read(reader, hold=hold)
        if not answer.status or answer.headers.get("connection", "").lower() == "close":
            self.close()
        self._attacker.count(answer)
        return answer

    async def _connected(self) -> tuple[Reader, asyncio.StreamWriter]:
        if self._streams is None or self._streams[0].at_eof():
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=16 * 1024 * 1024)
        return self._streams

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Attacker:
    """One person, or a stranger, who floods the site until cancelled.

    Attributes:
        seconds: How long that will be.
        statuses: How many answers had which status.
    """

    def __init__(self, site: Site, person: str, seconds: float) -> None:
        self.site = site
        self.statuses: Counter[str] = Counter()
        self.seconds = seconds
        self._person = person
        self._connections: list[Connection] = []

    def count(self, answer: Answer) -> None:
        """Count an answer: errors of JSON-RPC and of tools are 200 as well."""
        failures = [b'"error":{"code"', b'"isError":true']
        has_failed = answer.status == 200 and any(failure in answer.body for failure in failures)
        self.statuses[f"{answer.status} error" if has_failed else str(answer.status or "closed")] += 1

    def head(self, method: str, target: str, *lines: str, length: int | None = None) -> bytes:
        return self.site.head(method, target, *lines, person=self._person, length=length)

    def connection(self, number: int = 0) -> Connection:
        """A new connection to one of the processes, in turn."""
        made = Connection(self, self.site.ports[number % len(self.site.ports)])
        self._connections.append(made)
        return made

    async def session(
        self, connection: Connection, revision: str = "2025-11-25", **capabilities: Any
    ) -> list[str]:
        """Open a session; returns the headers of its requests, or none if it was refused."""
        params = {**INITIALIZE["params"], "protocolVersion": revision, "capabilities": capabilities}
        answer = await connection.post({**INITIALIZE, "params": params})
        if "mcp-session-id" not in answer.headers:
            return []
        return [f"Mcp-Session-Id: {answer.headers['mcp-session-id']}", f"MCP-Protocol-Version: {revision}"]

    async def at_once(self, number: int, work: Callable[[Connection, int], Awaitable[None]]) -> None:
        """Do something on so many connections at once."""
        await asyncio.gather(*(work(self.connection(each), each) for each in range(number)))

    async def repeat(self, number: int, work: Callable[[Connection], Awaitable[Any]]) -> None:
        """Do something on so many connections, again and again."""

        async def again(connection: Connection, _: int) -> None:
            while True:
                await work(connection)

        await self.at_once(number, again)

    def close(self) -> None:
        """Drop every connection, as somebody does who goes away."""
        for connection in self._connections:
            connection.close()


def call(tool: str, arguments: dict[str, Any], id: Any = 1, **params: Any) -> dict[str, Any]:
    """A `tools/call`."""
    return {
        "jsonrpc": "2.0",
        "id": id,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, **params},
    }


def stateless(message: dict[str, Any], **envelope: Any) -> tuple[dict[str, Any], list[str]]:
    """A message at 2026-07-28, with its headers."""
    params = {**message["params"], "_meta": {**ENVELOPE, **envelope}}
    lines = ["MCP-Protocol-Version: 2026-07-28", f"Mcp-Method: {message['method']}"]
    if "name" in params:
        lines.append(f"Mcp-Name: {params['name']}")
    return {**message, "params": params}, lines


async def _read(reader: Reader, *, hold: bool) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split()[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
    if hold and headers.get("content-type", "").startswith("text/event-stream"):
        async for line in _lines(reader):
            if line.startswith(b"id: "):
                headers.setdefault("first-event-id", line[4:].decode().strip())
            if line.startswith(b"data: ") and line.strip() != b"data:":
                return Answer(status, headers, line)
        return Answer(status, headers, b"")
    if headers.get("transfer-encoding") == "chunked":
        pieces = []
        while size := int(await reader.readline(), 16):
            pieces.append((await reader.readexactly(size + 2))[:-2])
        await reader.readline()
        return Answer(status, headers, b"".join(pieces))
    if "content-length" not in headers and status not in (204, 304):
        return Answer(status, headers, await reader.read())
    return Answer(status, headers, await reader.readexactly(int(headers.get("content-length", 0))))


async def _lines(reader: Reader) -> AsyncIterator[bytes]:
    """The lines of a stream, in chunks or not: chunks of event streams end with lines."""
    while line := await reader.readline():
        yield line
