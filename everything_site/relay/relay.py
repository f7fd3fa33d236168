"""The relay: one address, and a connection to one of the processes for each request."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from everything_site.relay import control
from everything_site.relay.head import MAX_HEAD_BYTES, Head, Refusal, read_head
from everything_site.relay.workers import Workers
from mcp_app.conf import conf

MAX_CONNECTIONS = 1000
"""Beyond this number, a request that has not arrived yet is given up, or else each new one gets 503."""

_CHUNK_BYTES = 64 * 1024


def run(
    host: str, port: int, count: int, environment: Mapping[str, str], on_ready: Callable[[], None]
) -> None:
    """Serve with several processes until SIGTERM, SIGINT or, in another thread, the end of this process.

    Args:
        host: The address to listen on.
        port: The port.
        count: The number of processes.
        environment: Their environment.
        on_ready: Called when all of them serve.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(host, port, Workers(count, environment), on_ready))


async def _run(host: str, port: int, workers: Workers, on_ready: Callable[[], None]) -> None:
    task = asyncio.current_task()
    assert task is not None
    if threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with suppress(asyncio.CancelledError):
        async with asyncio.TaskGroup() as group:
            group.create_task(workers.run())
            group.create_task(Relay(workers, port).serve(host))
            await workers.until_up()
            on_ready()


class Relay:
    """Passes requests on, each to the next process or to the one that `X-Try-Process` names.

    Args:
        workers: The processes.
        port: The port to listen on.
    """

    def __init__(self, workers: Workers, port: int) -> None:
        self._workers = workers
        self._port = port
        self._open: set[asyncio.Task[None]] = set()
        self._arriving: dict[asyncio.Task[Any], str] = {}
        """What reads a head that is not complete yet, with the address of the client; the oldest first."""

    async def serve(self, host: str) -> None:
        """Listen until cancelled; then cut all connections."""
        server = await asyncio.start_server(self._accept, host, self._port, limit=MAX_HEAD_BYTES)
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            for task in self._open:
                task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request, after which the connection is closed."""
        head = None
        try:
            peer: str = writer.get_extra_info("peername")[0]
            if len(self._open) > MAX_CONNECTIONS and not self._give_up_one():
                raise Refusal(503, f"The relay takes {MAX_CONNECTIONS} connections.", ("Retry-After: 1",))
            if (head := await self._head(reader, peer)) is None:
                return
            if head.path.startswith(control.PREFIX):
                writer.write(control.answer(head, peer, self._port, self._workers))
            else:
                await self._relay(head, reader, writer)
        except Refusal as refusal:
            writer.write(refusal.response(is_mcp=head is not None and _is_mcp(head.path)))
        except OSError:
            writer.transport.abort()  # the client has left, or the process has: nothing more can be said
        finally:
            writer.close()

    async def _head(self, reader: asyncio.StreamReader, peer: str) -> Head | None:
        """The head of a request; None if the client leaves, or another one needs its place."""
        reading = asyncio.create_task(read_head(reader))
        self._arriving[reading] = peer
        try:
            await asyncio.wait({reading})
            return None if reading.cancelled() else reading.result()
        finally:
            reading.cancel()
            del self._arriving[reading]

    def _give_up_one(self) -> bool:
        """Give up the oldest unfinished head of the address that has the most; False if there is none.

        So one client that begins many requests and sends none keeps nobody else out.
        """
        waiting = {
            task: peer for task, peer in self._arriving.items() if not (task.done() or task.cancelling())
        }
        if not waiting:
            return False
        ((greediest, _),) = Counter(waiting.values()).most_common(1)
        return next(task for task, peer in waiting.items() if peer == greediest).cancel()

    async def _relay(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        names = head.values(b"x-try-process")
        connecting = self._workers.connect(names[0].decode("latin-1") if names else None)
        process_reader, process_writer = await connecting
        try:
            process_writer.write(_proxy_line(writer) + head.for_one_request())
            # Whichever side ends first, the other is closed: a client that leaves, a process that dies.
            both = {
                asyncio.create_task(_pass_on(reader, process_writer)),
                asyncio.create_task(_pass_on(process_reader, writer)),
            }
            try:
                done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in both:
                    task.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        finally:
            process_writer.close()


def _is_mcp(path: bytes) -> bool:
    """Whether an endpoint of MCP has this path."""
    return path.decode("latin-1").rstrip("/") in (conf.path, conf.sse_path, conf.message_path)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what arrives, as it arrives, until it ends."""
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()


def _proxy_line(writer: asyncio.StreamWriter) -> bytes:
    """The line of the PROXY protocol, version 1, which tells a process whose connection this is."""
    (peer, peer_port, *_), (here, here_port, *_) = map(writer.get_extra_info, ("peername", "sockname"))
    addresses = [str(peer).partition("%")[0], str(here).partition("%")[0]]
    family = f"TCP{ip_address(addresses[0]).version}"
    return f"PROXY {family} {' '.join(addresses)} {peer_port} {here_port}\r\n".encode()
