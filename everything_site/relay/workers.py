"""The server processes behind the relay: started, watched, and started again when they die."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any

from everything_site.behind_relay import marked
from everything_site.relay.head import Refusal

logger = logging.getLogger(__name__)

RESTART_SECONDS = 5.0
"""How long a process stays dead: long enough to watch the others take over its calls."""

WAIT_SECONDS = 20.0
"""How long a request waits if no process is ready."""

_STOP_SECONDS = 3.0
"""How long a process may take to end after SIGTERM."""

_CONNECT_SECONDS = 5.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class State(StrEnum):
    STARTING = "starting"
    UP = "up"
    DEAD = "dead"


class Worker:
    """One of the processes, through all its lives.

    Args:
        name: Its name, such as `p1`.
        environment: The environment of the process.

    Attributes:
        state: Whether it serves.
        pid: The process id; None while it is dead.
    """

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self.state = State.DEAD
        self.pid: int | None = None
        self._environment = marked({**environment, "PROCESS_NAME": name})
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self._restarts_at = 0.0
        self._start_now = asyncio.Event()
        self._is_up = asyncio.Event()

    async def run(self) -> None:
        """Keep the process running until cancelled, and then end it."""
        while True:
            await self._live()
            logger.warning("process behind the relay died", extra={"worker": self.name})
            self._restarts_at = time.monotonic() + RESTART_SECONDS
            self._start_now.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(RESTART_SECONDS):
                    await self._start_now.wait()

    async def _live(self) -> None:
        """Start the process, and wait until it has ended."""
        readable, writable = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "everything_site.relay.worker", str(writable)),
                stdin=asyncio.subprocess.PIPE,  # the pipe ends with this process
                pass_fds=(writable,),
                env=self._environment,
                start_new_session=True,  # Ctrl-C reaches only the relay
            )
        finally:
            os.close(writable)
        self.pid, self.state = self._process.pid, State.STARTING
        try:
            if port := await _read_line(readable):
                self._port, self.state = int(port), State.UP
                self._is_up.set()
            await self._process.wait()
        finally:
            self.pid, self.state = None, State.DEAD
            self._is_up.clear()
            await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def until_up(self) -> None:
        """Wait until it serves."""
        await self._is_up.wait()

    async def connect(self) -> Connection:
        """A new connection.

        Raises:
            OSError: It does not accept one.
        """
        async with asyncio.timeout(_CONNECT_SECONDS):  # TimeoutError is an OSError
            return await asyncio.open_connection("127.0.0.1", self._port)

    def kill(self) -> None:
        """Kill it with SIGKILL, which it cannot notice.

        Raises:
            Refusal: It is dead.
        """
        if self._process is None or self.state is State.DEAD:
            raise Refusal(409, f"{self.name} is not running.")
        with suppress(ProcessLookupError):
            self._process.kill()

    def start(self) -> None:
        """Start it now, and not only after `RESTART_SECONDS`.

        Raises:
            Refusal: It is running.
        """
        if self.state is not State.DEAD:
            raise Refusal(409, f"{self.name} is running.")
        self._start_now.set()

    def as_json(self) -> dict[str, Any]:
        """What `/-/processes` says of it."""
        found: dict[str, Any] = {"name": self.name, "state": self.state, "pid": self.pid}
        if self.state is State.DEAD:
            found["starts_in"] = round(self._starts_in(), 1)
        return found

    def refusal(self) -> Refusal:
        """The answer to a request for this process while it cannot take one."""
        seconds = math.ceil(self._starts_in()) + 1
        return Refusal(503, f"{self.name} is {self.state}.", (f"Retry-After: {seconds}",))

    def _starts_in(self) -> float:
        return max(0.0, self._restarts_at - time.monotonic())


class Workers:
    """All the processes.

    Args:
        count: Their number; they are called `p1`, `p2` …
        environment: Their environment.
    """

    def __init__(self, count: int, environment: Mapping[str, str]) -> None:
        self.all: Sequence[Worker] = [Worker(f"p{n}", environment) for n in range(1, count + 1)]
        self._turn = itertools.count()

    async def run(self) -> None:
        """Keep them running until cancelled, and then end them."""
        async with asyncio.TaskGroup() as group:
            for worker in self.all:
                group.create_task(worker.run())

    async def until_up(self) -> None:
        """Wait until all have started."""
        await asyncio.gather(*(worker.until_up() for worker in self.all))

    def find(self, name: str) -> Worker:
        """The process of a name.

        Raises:
            Refusal: There is none.
        """
        for worker in self.all:
            if worker.name == name:
                return worker
        raise Refusal(404, f"There is no process {name[:40]}.")

    async def connect(self, name: str | None = None) -> Connection:
        """A connection to the next process in turn, or to the one with a name.

        Raises:
            Refusal: There is no such process, or none that accepts a connection.
        """
        if name is not None:
            chosen = self.find(name)
            if chosen.state is State.UP:
                with suppress(OSError):
                    return await chosen.connect()
            raise chosen.refusal()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while True:
                    first = next(self._turn)
                    for n in range(len(self.all)):
                        worker = self.all[(first + n) % len(self.all)]
                        if worker.state is State.UP:
                            with suppress(OSError):
                                return await worker.connect()
                    await self._until_any_is_up()
        except TimeoutError:
            raise Refusal(503, "No process is running.", ("Retry-After: 5",)) from None

    async def _until_any_is_up(self) -> None:
        waiting = [asyncio.ensure_future(worker.until_up()) for worker in self.all]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0.05)  # one that has died a moment ago may still count as up
        finally:
            for wait in waiting:
                wait.cancel()


async def _read_line(descriptor: int) -> str:
    """The line that a pipe brings; empty if it ends without one."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        return (await reader.readline()).decode().strip()
    finally:
        transport.close()
