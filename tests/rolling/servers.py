"""The servers: one process per port, or one with workers."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from tests.support.processes import ServerProcess


@dataclass
class Daphne(ServerProcess):
    """Daphne, as in docs/production.md."""


@dataclass
class Uvicorn(ServerProcess):
    """uvicorn, as in docs/production.md."""

    workers: int = 1
    has_children: bool = True

    @property
    def words(self) -> list[str]:
        address = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", str(self.workers)]
        kept = ["--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "5"]
        if self.workers > 1:  # its parent kills a worker that is silent for 5 s, also while it starts
            kept += ["--timeout-worker-healthcheck", "60"]
        return ["-m", "uvicorn", *address, *kept, "--log-level", "warning", self.application]


@dataclass
class Granian(ServerProcess):
    """granian, as in docs/production.md."""

    workers: int = 1
    has_children: bool = True

    @property
    def words(self) -> list[str]:
        address = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", str(self.workers)]
        kept = ["--http1-keep-alive", "--log-level", "warning"]
        return ["-m", "granian", "--interface", "asgi", *address, *kept, self.application]


SERVERS = {"daphne": Daphne, "uvicorn": Uvicorn, "granian": Granian}


def is_installed(name: str) -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec(name) is not None
