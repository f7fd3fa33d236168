"""A Python that has imported the libraries already, and forks into each command that it is asked to run.

Importing the SDK, Pydantic and Twisted is most of the CPU that a server process takes to start. The parent
imports nothing from the project and reads no setting, so a command starts as `python` with its own
environment would start it: it imports the project, has its own files, and ends as an interpreter ends.

    python -m tests.support.preloaded

Each line of standard input is a command, as JSON: see `Command`. Lines on standard output say which process
began (`began 17`), and which one ended with which code (`ended 17 0`). When its standard input ends, as it
does when whoever started it is killed, it kills what still runs, and ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import signal
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

LIBRARIES = (
    "anyio.from_thread",
    "asyncio",
    "autobahn.twisted.websocket",
    "channels.auth",
    "channels.routing",
    "channels_redis.pubsub",
    "concurrent.futures.thread",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "csp.middleware",
    "django.contrib.admin.views.main",
    "django.contrib.auth.password_validation",
    "django.core.handlers.asgi",
    "django.core.management.commands.migrate",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.forms",
    "django.template",
    "environ",
    "httpx2",
    "jsonschema",
    "jwcrypto.jwt",
    "limits",
    "mcp.client",
    "mcp.server.apps",
    "mcp.server.mcpserver",
    "mcp.types",
    "mcp_types",
    "oauth2_provider.validators",
    "oauthlib.oauth2",
    "redis.asyncio",
    "requests",
    "rich.console",
    "rich.logging",
    "starlette.applications",
    "twisted.internet.asyncioreactor",
    "twisted.web.http",
    "whitenoise.middleware",
)
"""What the project imports of others, as far as it needs neither settings nor an event loop."""


@dataclass
class Command:
    """The words after `python`: `-m`, a module and its arguments, or a script and its arguments."""

    words: list[str]
    environment: dict[str, str]
    """Its variables, all of them."""
    folder: str
    """Where it runs, and finds its modules."""
    output: str
    """The file to which standard output is appended."""
    errors: str
    """The file to which standard error is appended; it may be the same."""
    leads_session: bool = False
    """Whether it begins a session and a process group of its own."""
    ignores_interrupt: bool = False
    """Whether it begins with SIGINT ignored, as a command that a shell runs in the background."""


class Parent:
    """What forks, and knows which of its processes still run."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        signal.signal(signal.SIGCHLD, lambda *_: self._reap(os.WNOHANG))

    def forked(self, lines: Iterable[str]) -> Command | None:
        """Fork for each command. Returns it in the child, and None in the parent when no process is left."""
        for line in lines:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # none has ended before it began
            pid = os.fork()
            if not pid:
                return Command(**json.loads(line))
            self._running.add(pid)
            say(f"began {pid}")
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        self._kill()
        return None

    def _kill(self) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # nothing is reaped while its number is used
        for pid in self._running:
            for kill in (os.killpg, os.kill):  # it may lead a group
                with contextlib.suppress(ProcessLookupError):
                    kill(pid, signal.SIGKILL)
        self._reap()

    def _reap(self, options: int = 0) -> None:
        """Say of all children that have ended how they ended; without WNOHANG, wait for the others."""
        while True:
            try:
                pid, status = os.waitpid(-1, options)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._running.remove(pid)
            say(f"ended {pid} {os.waitstatus_to_exitcode(status)}")


def say(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more
        os.write(1, f"{line}\n".encode())  # at once, since a signal may interrupt it between two steps


def become(command: Command) -> None:
    """Run a command in this process, as `python` would."""
    for number, path, mode in (
        (0, os.devnull, "rb"),
        (1, command.output, "ab"),
        (2, command.errors, "ab"),
    ):
        with open(path, mode) as file:
            os.dup2(file.fileno(), number)
    if action := command.environment.get("PYTHONWARNINGS"):
        warnings.simplefilter(cast(Any, action))  # an interpreter looks at it when it starts
    sys.dont_write_bytecode = bool(command.environment.get("PYTHONDONTWRITEBYTECODE"))  # at this, too
    if "PYTHONUNBUFFERED" in command.environment:
        cast(io.TextIOWrapper, sys.stdout).reconfigure(write_through=True)
    if command.leads_session:
        os.setsid()
    os.environ.clear()
    os.environ.update(command.environment)
    os.chdir(command.folder)
    sys.orig_argv = [sys.executable, *command.words]
    sys.path[0] = command.folder
    first, *rest = command.words
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command.words
        runpy.run_path(first, run_name="__main__")


def main() -> None:
    # What terminals and time limits send to a whole process group: the parent outlives it, to end the others.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGINT, signal.SIGTERM})
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    command = Parent().forked(sys.stdin)
    if command is not None:
        if command.ignores_interrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        become(command)


if __name__ == "__main__":
    main()
