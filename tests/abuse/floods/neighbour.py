"""Somebody else, who works normally while a flood is going on; `python -m tests.abuse.floods.neighbour`.

A process of its own, so that it does not wait for the flood's. It reads JSON lines: the site, and then
seconds to work for, each of which it answers with what it saw.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.abuse.floods.attacker import Attacker, Connection, call, stateless
from tests.abuse.site import Site

PERSON = "alice"
REST = 0.01
"""Seconds between two calls: people's clients do not call without a break."""

HEARD_SECONDS = 10.0


@dataclass
class Seen:
    """What the neighbour saw: the milliseconds of calls and of notifications, and what failed."""

    calls_ms: list[float] = field(default_factory=list)
    heard_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Neighbour:
    """Calls in a session and without one, at every process in turn, and follows a note on a GET stream."""

    def __init__(self, site: Site) -> None:
        self._me = Attacker(site, PERSON, 0)
        self._connections = [self._me.connection(number) for number in range(len(site.ports))]
        self._number = 0
        self._heard = asyncio.Event()

    async def arrive(self) -> None:
        """Open the session, make a note and subscribe to it."""
        first = self._connections[0]
        self._session = await self._me.session(first)
        made = (await first.post(call("create-note", {"title": "mine", "text": "a"}), *self._session)).body
        links = [block for block in _message(made)["result"]["content"] if block["type"] == "resource_link"]
        self._uri = links[0]["uri"]
        subscribe = {"jsonrpc": "2.0", "id": 2, "method": "resources/subscribe", "params": {"uri": self._uri}}
        await first.post(subscribe, *self._session)
        self._listening = asyncio.create_task(self._listen())

    async def work(self, seconds: float) -> Seen:
        """Work for so long."""
        seen = Seen()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for connection in self._connections:
                await self._echo(connection, seen)
            self._number += 1
            if self._number % 10 == 1:
                await self._edit(seen)
        return seen

    async def _echo(self, connection: Connection, seen: Seen) -> None:
        text = f"{self._number} of {PERSON}"
        plain = call("echo", {"message": text})
        for message, lines in ((plain, self._session), stateless(plain)):
            began = time.perf_counter()
            answer = await connection.post(message, *lines)
            seen.calls_ms.append((time.perf_counter() - began) * 1000)
            if answer.status != 200 or text.encode() not in answer.body:
                seen.failures.append(f"{answer.status} {answer.body[:80]!r}")
            await asyncio.sleep(REST)

    async def _edit(self, seen: Seen) -> None:
        self._heard.clear()
        began = time.perf_counter()
        edit = call("edit-note", {"noteId": self._uri.rpartition("/")[2], "text": str(self._number)})
        answer = await self._connections[-1].post(edit, *self._session)
        if answer.status != 200 or b'"isError":true' in answer.body:
            seen.failures.append(f"edit: {answer.status} {answer.body[:80]!r}")
            return
        try:
            async with asyncio.timeout(HEARD_SECONDS):
                await self._heard.wait()
        except TimeoutError:
            seen.failures.append("an update was not heard of")
        seen.heard_ms.append((time.perf_counter() - began) * 1000)

    async def _listen(self) -> None:
        last: list[str] = []
        while True:
            port = self._me.site.ports[0]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(self._me.head("GET", "/mcp", "Accept: text/event-stream", *self._session, *last))
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    last = [f"Last-Event-ID: {line[4:].decode().strip()}"]
                if b"resources/updated" in line:
                    self._heard.set()
            writer.close()


def _message(body: bytes) -> Any:
    events = [line for line in body.splitlines() if line.startswith(b"data: {")]
    return json.loads(events[-1].removeprefix(b"data: ") if events else body)


async def serve() -> None:
    neighbour = Neighbour(Site(**json.loads(sys.stdin.readline())))
    await neighbour.arrive()
    print(json.dumps("ready"), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(asdict(await neighbour.work(json.loads(line)))), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
