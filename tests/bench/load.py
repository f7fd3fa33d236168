"""The load: clients with persistent HTTP/1.1 connections, as cheap as Python allows.

It runs in a process of its own (`python -m tests.bench.load`), so that no measured server shares an
interpreter with it. It reads JSON lines from standard input and answers each with one: first the plans,
by the name of the contestant, then `{"name": name, "seconds": 0.25}` as often as one likes. Connections stay
open in between.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass


@dataclass
class Plan:
    """What to send to one server.

    Args:
        port: Where it listens on 127.0.0.1.
        body: The body of every request.
        headers: One set of headers for each client.
    """

    port: int
    body: str
    headers: list[dict[str, str]]


@dataclass
class Slice:
    """The result of a slice: how many calls in how many seconds, and the milliseconds of each."""

    calls: int
    seconds: float
    latencies: list[float]
    errors: int


class _Client:
    def __init__(self, plan: Plan, headers: dict[str, str]) -> None:
        body = plan.body.encode()
        head = [
            "POST /mcp HTTP/1.1",
            f"Host: localhost:{plan.port}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
            "",
            "",
        ]
        self._request = "\r\n".join(head).encode() + body
        self._port = plan.port
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, until: float, latencies: list[float]) -> int:
        """Call again and again; the last call is waited for. Returns the number of failed calls."""
        reader, writer = await self.connect()
        errors = 0
        while (started := time.perf_counter()) < until:
            writer.write(self._request)
            errors += not await self._response(reader)
            latencies.append((time.perf_counter() - started) * 1000)
        return errors

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection, opened again if the server has closed it while other servers were measured."""
        if self._connection is None or self._connection[0].at_eof():
            self._connection = await asyncio.open_connection("127.0.0.1", self._port)
        return self._connection

    async def _response(self, reader: asyncio.StreamReader) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        good = head.startswith(b"http/1.1 200") or head.startswith(b"http/1.1 202")
        at = head.find(b"content-length: ")
        if at >= 0:
            body = await reader.readexactly(int(head[at + 16 : head.index(b"\r", at)]))
        else:
            body = b""
            while (chunk := await reader.readline()).strip() not in (b"0", b""):
                body += await reader.readexactly(int(chunk, 16) + 2)
            await reader.readexactly(2)
        return good and b'"error"' not in body and b'"isError":true' not in body


async def run_slice(clients: list[_Client], seconds: float) -> Slice:
    """Let all clients of one server call it for so long."""
    for client in clients:
        await client.connect()
    latencies: list[float] = []
    began = time.perf_counter()
    errors = await asyncio.gather(*(client.run(began + seconds, latencies) for client in clients))
    return Slice(len(latencies), time.perf_counter() - began, latencies, sum(errors))


async def serve() -> None:
    clients: dict[str, list[_Client]] = {}
    for name, plans in json.loads(sys.stdin.readline()).items():
        for plan in (Plan(**each) for each in plans):
            clients.setdefault(name, []).extend(_Client(plan, headers) for headers in plan.headers)
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        done = await run_slice(clients[asked["name"]], asked["seconds"])
        print(json.dumps(done.__dict__), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
