"""A round-robin HTTP proxy without any stickiness: each request goes to the next process.

It can add a header to every request, for clients that cannot sign in, such as the conformance suite.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterator, Sequence

from tests.support.processes import free_port

_HEAD_LIMIT = 256 * 1024
_BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class RoundRobinProxy:
    """Forwards each request to the next backend that accepts a connection."""

    def __init__(
        self, ports: Sequence[int], *, port: int | None = None, add_headers: dict[str, str] | None = None
    ):
        self.port = port or free_port()
        self.ports = list(ports)
        self.requests = 0
        self._add_headers = add_headers or {}
        self._turn = itertools.count()
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._carried: dict[asyncio.Task[None], tuple[int, bytes]] = {}

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    async def serve(self, started: threading.Event | None = None) -> None:
        """Serve until cancelled."""
        servers = [
            await asyncio.start_server(self._connection, host, self.port, limit=_HEAD_LIMIT)
            for host in ("127.0.0.1",)
        ]
        if started is not None:
            started.set()
        async with contextlib.AsyncExitStack() as stack:
            for server in servers:
                await stack.enter_async_context(server)
            await asyncio.Event().wait()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            # A cancellation simulates an outage; asyncio would log it as an error.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._forward(reader, writer)
        finally:
            del self._open[task]
            self._carried.pop(task, None)
            writer.close()

    def carrying(self, word: bytes) -> list[int]:
        """The ports of the processes that are handling a request whose body contains this word."""
        return [port for port, body in list(self._carried.values()) if word in body]

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Abort every connection, and respond with 502, as a load balancer without backends does."""
        ports, self.ports = self.ports, []
        for task, writer in list(self._open.items()):
            loop = task.get_loop()
            loop.call_soon_threadsafe(writer.transport.abort)
            loop.call_soon_threadsafe(task.cancel)
        try:
            yield
        finally:
            self.ports = ports

    @contextlib.contextmanager
    def without(self, port: int) -> Iterator[None]:
        """Abort the connections to one process, and use only the others, as after failed health checks."""
        self.ports = [other for other in self.ports if other != port]
        for task, (used, _) in list(self._carried.items()):
            if used == port:
                task.get_loop().call_soon_threadsafe(task.cancel)
        try:
            yield
        finally:
            self.ports = [*self.ports, port]

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        request_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = [
            line for line in lines if line.split(":")[0].lower() not in ("connection", *self._replaced())
        ]
        length = next(
            (int(line.split(":")[1]) for line in headers if line.lower().startswith("content-length")), 0
        )
        headers += [f"{name}: {value}" for name, value in self._add_headers.items()]
        headers.append("Connection: close")
        body = await reader.readexactly(length)
        try:
            port, backend_reader, backend_writer = await self._connect()
        except ConnectionError:
            writer.write(_BAD_GATEWAY)
            return
        self.requests += 1
        task = asyncio.current_task()
        assert task is not None
        self._carried[task] = (port, body)
        backend_writer.write("\r\n".join([request_line, *headers, "", ""]).encode("latin-1") + body)
        answered = False
        client_left = asyncio.create_task(reader.read())
        try:
            while True:
                answer = asyncio.create_task(backend_reader.read(65536))
                await asyncio.wait({answer, client_left}, return_when=asyncio.FIRST_COMPLETED)
                if not answer.done():
                    answer.cancel()
                    return
                if not (chunk := _received(answer)):
                    if not answered:  # the backend died: 502, as from a load balancer
                        writer.write(_BAD_GATEWAY)
                    return
                answered = True
                writer.write(chunk)
                await writer.drain()
        finally:
            client_left.cancel()
            backend_writer.close()

    async def _connect(self) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the next live backend, as a load balancer does."""
        for _ in self.ports:
            port = self.ports[next(self._turn) % len(self.ports)]
            with contextlib.suppress(OSError):
                return port, *await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionError("no backend is up")

    def _replaced(self) -> list[str]:
        return [name.lower() for name in self._add_headers]


def _received(answer: asyncio.Task[bytes]) -> bytes:
    try:
        return answer.result()
    except ConnectionError:
        return b""


@contextlib.contextmanager
def running(proxy: RoundRobinProxy) -> Iterator[RoundRobinProxy]:
    """Serve in a separate thread while the context is open."""
    loop = asyncio.new_event_loop()
    started = threading.Event()

    def serve() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        if connections := asyncio.all_tasks(loop):
            for connection in connections:
                connection.cancel()
            loop.run_until_complete(asyncio.wait(connections))
        loop.close()

    task = loop.create_task(proxy.serve(started))
    thread = threading.Thread(target=serve, name="proxy", daemon=True)
    thread.start()
    if not started.wait(10):
        raise RuntimeError("The proxy did not start.")
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
