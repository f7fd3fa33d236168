"""A proxy for Redis that can break a connection after a command was executed and before its reply arrives."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit


class RedisRelay:
    """Carries bytes between clients and a Redis server."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self.url = ""
        self.lost = 0
        self.opened = 0
        """The number of connections that clients have opened."""
        self.sent = 0
        """The number of commands or pipelines that clients have sent."""
        self.delay = 0.0
        """Seconds by which replies are delayed: how far away Redis is."""
        self.jitter = 0.0
        """By which fraction the delay varies, up and down; replies stay in order."""
        self.stalls = False
        """Whether commands are accepted and nothing is ever replied to them, as by a stopped server."""
        self._loses_after: bytes | None = None
        self._hangs_from: bytes | None = None

    def lead_to(self, url: str) -> None:
        """Direct new connections to another server, as after a failover; open ones stay."""
        self._target = urlsplit(url)

    def lose_reply_to(self, word: bytes) -> None:
        """Break the connection instead of replying to the next command that contains this word."""
        self._loses_after = word

    def hang_from(self, word: bytes) -> None:
        """Delay replies for minutes from the next command on that contains this word, which is executed."""
        self._hangs_from = word

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        self.opened += 1
        redis_reader, redis_writer = await self._connect()
        breaks = False

        async def forth() -> None:
            nonlocal breaks
            while data := await reader.read(65536):
                if self._loses_after is not None and self._loses_after in data:
                    self._loses_after = None
                    breaks = True
                if self._hangs_from is not None and self._hangs_from in data:
                    self._hangs_from = None
                    self.delay = 1000.0
                self.sent += 1
                if self.stalls:
                    continue
                redis_writer.write(data)

        async def back() -> None:
            loop, due = asyncio.get_running_loop(), 0.0
            while data := await redis_reader.read(65536):
                if breaks:
                    self.lost += 1
                    return
                due = max(due, loop.time() + self._seconds())
                loop.call_at(due, writer.write, data)  # what follows is not held up by it
            await asyncio.sleep(due - loop.time())

        ways = {asyncio.create_task(forth()), asyncio.create_task(back())}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            redis_writer.close()
            writer.close()
            with contextlib.suppress(OSError):
                await redis_writer.wait_closed()

    def _seconds(self) -> float:
        return self.delay * random.uniform(1 - self.jitter, 1 + self.jitter)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._target.scheme == "unix":
            return await asyncio.open_unix_connection(self._target.path)
        return await asyncio.open_connection(self._target.hostname, self._target.port)


@contextlib.asynccontextmanager
async def relaying(url: str) -> AsyncIterator[RedisRelay]:
    """A relay before the Redis at `url`; clients reach it at its own `url`."""
    relay = RedisRelay(url)
    carried: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carried[asyncio.create_task(relay.carry(reader, writer))] = writer

    server = await asyncio.start_server(carry, "127.0.0.1")
    relay.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}{_database(url)}"
    async with server:
        try:
            yield relay
        finally:  # nothing stays open when the loop ends, also of those that have just connected
            server.close()
            for task, writer in carried.items():
                task.cancel()
                writer.close()
            await asyncio.gather(*carried, return_exceptions=True)
            for writer in carried.values():
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


@contextlib.contextmanager
def running(url: str, *, delay: float, jitter: float = 0.0) -> Iterator[RedisRelay]:
    """A relay that serves in a separate thread while the context is open."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    started = threading.Event()
    relays: list[RedisRelay] = []

    async def serve() -> None:
        async with relaying(url) as relay:
            relay.delay, relay.jitter = delay, jitter
            relays.append(relay)
            started.set()
            await stop.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="redis relay", daemon=True)
    thread.start()
    if not started.wait(10):
        raise RuntimeError("The relay did not start.")
    try:
        yield relays[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def _database(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"/{parts.query.removeprefix('db=') or 0}"
    return parts.path
