"""The attacked site: real processes of one server, with a Redis and a database of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from tests.bench import servers
from tests.support import processes
from tests.support.client import sign_in
from tests.support.wire import INITIALIZE

APPLICATION = "everything_site.asgi:application"
SECONDS = 20.0
"""The longest wait for a response."""

STREAM_OR_JSON = "application/json, text/event-stream"


@dataclass
class Answer:
    """A response: 0 is the status if the connection was closed without one."""

    status: int
    headers: dict[str, str]
    body: bytes

    def message(self) -> Any:
        """The JSON-RPC message of the body, or the first one on the event stream."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            return json.loads(self.body.removeprefix(b"data: "))
        return json.loads(self.body)


@dataclass
class Site:
    """What attackers know of the site, and what its operator sees."""

    server: str
    ports: list[int]
    pids: list[int]
    redis_url: str
    tokens: dict[str, str]

    def head(
        self, method: str, target: str, *lines: str, person: str = "", length: int | None = None
    ) -> bytes:
        """The head of a request."""
        bearer = [f"Authorization: Bearer {self.tokens[person]}"] if person else []
        size = [] if length is None else [f"Content-Length: {length}"]
        host = f"Host: localhost:{self.ports[0]}"
        return "\r\n".join([f"{method} {target} HTTP/1.1", host, *bearer, *lines, *size, "", ""]).encode()

    def post(self, body: bytes, *lines: str, person: str = "", target: str = "/mcp") -> bytes:
        """A POST of JSON, as MCP clients send it."""
        plain = ("Content-Type: application/json", f"Accept: {STREAM_OR_JSON}")
        return self.head("POST", target, *plain, *lines, person=person, length=len(body)) + body

    def ask(self, request: bytes, *, port: int | None = None) -> Answer:
        """Send a request on a connection of its own. Of a stream only the first message is read."""
        with socket.create_connection(("127.0.0.1", port or self.ports[0]), timeout=SECONDS) as connection:
            connection.sendall(request)
            return read_answer(connection)

    def open_session(self, person: str, **capabilities: Any) -> list[str]:
        """Open a session; returns the headers of its requests."""
        params = {**INITIALIZE["params"], "capabilities": capabilities}
        body = json.dumps({**INITIALIZE, "params": params}).encode()
        answer = self.ask(self.post(body, person=person))
        return [f"Mcp-Session-Id: {answer.headers['mcp-session-id']}", "MCP-Protocol-Version: 2025-11-25"]


def read_answer(connection: socket.socket) -> Answer:
    """Read a response. The status is 0 if the connection is closed, or silent, before there is one."""
    with contextlib.suppress(OSError), connection.makefile("rb") as file:
        status = int(file.readline().split()[1:2][0])
        headers = {}
        while line := file.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        with contextlib.suppress(OSError, ValueError):
            return Answer(status, headers, _read_body(file, headers))
        return Answer(status, headers, b"")
    return Answer(0, {}, b"")


def _read_body(file: Any, headers: dict[str, str]) -> bytes:
    if headers.get("content-type", "").startswith("text/event-stream"):
        return next((line for line in file if line.startswith(b"data: {")), b"")  # the first message
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        return body
    return file.read(int(headers.get("content-length", 0)))


@contextlib.contextmanager
def serving(server: str, count: int, people: tuple[str, ...], **environment: str) -> Iterator[Site]:
    """Run the site while the context is open.

    Args:
        server: One of `tests.bench.servers`.
        count: How many processes.
        people: Who has a token.
        environment: More variables of the processes.
    """
    port = processes.free_port()
    base = f"http://localhost:{port}"
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(processes.installation(base, **environment))
        log = made.folder / "log"
        ports, pids = [], []
        for each in [port, *(processes.free_port() for _ in range(count - 1))]:
            _, pid = stack.enter_context(servers.serving(server, APPLICATION, made.environment, each, log))
            ports.append(each)
            pids.append(pid)
        tokens = {person: asyncio.run(sign_in(f"{base}/mcp", person)) for person in people}
        yield Site(server, ports, pids, made.environment["REDIS_URL"], tokens)
        if os.environ.get("ABUSE_LOG"):
            print(log.read_text())


def redis_bytes(site: Site) -> int:
    """The memory of the site's Redis."""
    with redis.Redis.from_url(site.redis_url) as connection:
        return int(connection.info("memory")["used_memory"])
