"""The servers: one process per port, or one with workers."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import ServerProcess


def socket_of(folder: Path, port: int) -> Path:
    """The Unix socket of the process that has a port, or would have it."""
    return folder / f"{port}.sock"


@dataclass
class Daphne(ServerProcess):
    """Daphne, as in docs/production.md: with a socket, it listens at both."""

    @property
    def words(self) -> list[str]:
        if self.socket is None:
            return super().words
        return [*super().words, "-e", f"unix:{self.socket}:backlog=4096"]


@dataclass
class Uvicorn(ServerProcess):
    """uvicorn, as in docs/production.md."""

    workers: int = 1
    has_children: bool = True
    is_only_at_socket: bool = True

    @property
    def words(self) -> list[str]:
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        if self.socket is not None:
            address = ["--uds", str(self.socket)]
        kept = ["--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "5"]
        if self.workers > 1:  # its parent kills a worker that is silent for 5 s, also while it starts
            kept += ["--timeout-worker-healthcheck", "60"]
        workers = ["--workers", str(self.workers)]
        return ["-m", "uvicorn", *address, *workers, *kept, "--log-level", "warning", self.application]


@dataclass
class Granian(ServerProcess):
    """granian, as in docs/production.md."""

    workers: int = 1
    has_children: bool = True
    is_only_at_socket: bool = True

    @property
    def words(self) -> list[str]:
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        if self.socket is not None:
            address = ["--uds", str(self.socket), "--uds-permissions", "666"]
        kept = ["--workers", str(self.workers), "--http1-keep-alive", "--log-level", "warning"]
        return ["-m", "granian", "--interface", "asgi", *address, *kept, self.application]


SERVERS = {"daphne": Daphne, "uvicorn": Uvicorn, "granian": Granian}


def is_installed(name: str) -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec(name) is not None
