"""Servers that are started in every possible way, and get requests before they are ready."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.everything_site.checkout import eventually
from tests.support import forking
from tests.support.processes import Installation, free_port

SEPARATE = {
    "AUTH_MODE": "separate",
    "INTROSPECTION_CLIENT_ID": "mcp-server",
    "INTROSPECTION_CLIENT_SECRET": "x" * 40,
}
PROGRAM = """
import sys
from everything_site.asgi import application
from daphne.server import Server
Server(application, endpoints=[f"tcp:{sys.argv[1]}:interface=127.0.0.1"], verbosity=0).run()
"""
DAPHNE = ("-m", "daphne", "-v", "0", "-p")
COMMANDS = {
    "daphne": (*DAPHNE, "{port}", "everything_site.asgi:application"),
    "daphne of the authorization server": (*DAPHNE, "{port}", "everything_site.auth_asgi:application"),
    "runserver": ("manage.py", "runserver", "--noreload"),
    "runauthserver": ("manage.py", "runauthserver", "--noreload"),
    "a program": ("-c", PROGRAM, "{port}"),
}


@contextmanager
def served(
    made: Installation,
    command: tuple[str, ...],
    more: dict[str, str] | None = None,
    *,
    is_forked: bool = True,
) -> Iterator[int]:
    """The port of a server while it runs with `more` in its environment; `is_forked`: see `forking.begin`."""
    port = free_port()
    words = [word.format(port=port) if word == "{port}" else word for word in command]
    environment = made.environment | (more or {}) | {"PORT": str(port), "AUTH_SERVER_PORT": str(port)}
    log = made.folder / f"{port}.log"
    process = forking.begin(forking.logged(words, environment, log), is_forked=is_forked)
    try:
        eventually_serves(port, log)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def eventually_serves(port: int, log: Path) -> None:
    def answers() -> bool:
        try:
            return ask(port)[0] == 200
        except OSError:
            return False

    eventually(answers, f"the server answers: {log}")


def ask(
    port: int, method: str = "GET", body: bytes = b"", path: str = "/healthz", **headers: Any
) -> tuple[int, bytes]:
    """The status and the body of a response. Underscores in names stand for hyphens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer
