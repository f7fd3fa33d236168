"""The load: clients that speak HTTP/1.1 over kept-alive connections, as cheaply as Python can.

It runs in a process of its own (`python -m tests.bench.load`), reads one JSON object from standard input
and prints one, so that the measured server does not share an interpreter with it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Plan:
    """What to send.

    Args:
        port: Where the server listens on 127.0.0.1.
        path: The path of every request.
        bodies: One request body per client, the same each time.
        headers: One set of headers per client.
        seconds: How long to measure, after a warm-up of a fifth of it.
    """

    port: int
    path: str
    bodies: list[str]
    headers: list[dict[str, str]]
    seconds: float


@dataclass
class Figures:
    """What came of it: calls a second, and latencies in milliseconds."""

    rate: float
    p50: float
    p95: float
    p99: float
    errors: int


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which a share of the ordered values lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


class _Client:
    def __init__(self, plan: Plan, number: int) -> None:
        body = plan.bodies[number].encode()
        head = [
            f"POST {plan.path} HTTP/1.1",
            f"Host: localhost:{plan.port}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in plan.headers[number].items()),
            "",
            "",
        ]
        self._request = "\r\n".join(head).encode() + body
        self._port = plan.port
        self.latencies: list[float] = []
        self.errors = 0

    async def run(self, count_from: float, until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while (started := time.perf_counter()) < until:
            writer.write(self._request)
            good = await self._response(reader)
            ended = time.perf_counter()
            if started >= count_from:
                self.latencies.append(ended - started)
                self.errors += not good
        writer.close()

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


async def measure(plan: Plan) -> Figures:
    """Send for as long as the plan says."""
    clients = [_Client(plan, number) for number in range(len(plan.bodies))]
    now = time.perf_counter()
    count_from = now + plan.seconds / 5
    until = count_from + plan.seconds
    await asyncio.gather(*(client.run(count_from, until) for client in clients))
    ordered = sorted(latency for client in clients for latency in client.latencies)
    return Figures(
        rate=len(ordered) / plan.seconds,
        p50=percentile(ordered, 0.50) * 1000,
        p95=percentile(ordered, 0.95) * 1000,
        p99=percentile(ordered, 0.99) * 1000,
        errors=sum(client.errors for client in clients),
    )


def main() -> None:
    asked: dict[str, Any] = json.load(sys.stdin)
    json.dump(asdict(asyncio.run(measure(Plan(**asked)))), sys.stdout)


if __name__ == "__main__":
    main()
