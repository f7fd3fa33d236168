"""The commands of docs/production.md and docs/deployment.md that start a process in place of another."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.deploy.test_samples import needs
from tests.docs.markdown import blocks
from tests.support.processes import ServerProcess, free_port, installation

SECONDS = 30
PORT = "8111"
"""Where the pages start the new process."""


def bash(commands: str) -> int:
    """The exit code of commands that end with the first that fails."""
    return subprocess.run(["bash", "-euc", commands], timeout=SECONDS, capture_output=True).returncode


@dataclass
class Started(ServerProcess):
    """A Daphne that a line of a page starts."""

    line: str = ""

    @property
    def words(self) -> list[str]:
        return ["-m", *shlex.split(self.line)]


@pytest.mark.processes
@pytest.mark.parametrize("folder", ["does not exist", "has the lock of a process that was killed"])
def test_a_process_starts_at_its_socket_if_the_folder(folder: str) -> None:
    [block] = [block for block in blocks("production.md", "sh") if "daphne " in block]
    port = free_port()
    with installation(f"http://127.0.0.1:{port}") as made:
        block = block.replace(PORT, str(port)).replace("-o everything ", "")  # no such user is needed here
        block = block.replace("/run/", f"{made.folder}/run/").replace("/etc/", f"{made.folder}/etc/")
        before, line, after = re.split(r"^(daphne .*\n)", block, flags=re.MULTILINE)
        socket = made.folder / f"run/everything-server/{port}/socket"
        if folder != "does not exist":
            socket.parent.mkdir(parents=True)
            # The number of the process that was killed belongs to another one now.
            Path(f"{socket}.lock").symlink_to(str(os.getpid()))

        assert bash(before) == 0
        server = Started(made, port, line=line)
        server.start()
        try:
            assert bash(after) == 0
            assert (made.folder / "etc/nginx/everything-server/1").resolve().is_socket()
        finally:
            server.kill()


@contextmanager
def answering(*statuses: int) -> Iterator[int]:
    """A server that answers with these, and then always with the last; the context is its port."""
    left = list(statuses)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.end_headers()

        def log_message(self, *values: object) -> None:
            """Nothing is logged."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow  # curl waits before it tries again
@needs("curl")
@pytest.mark.parametrize(("statuses", "is_replaced"), [((503, 200), True), ((503,), False)])
def test_the_old_process_is_stopped_only_if_the_new_one_gets_ready(
    statuses: tuple[int, ...], is_replaced: bool, tmp_path: Path
) -> None:
    [block] = [block for block in blocks("deployment.md", "bash") if "systemctl disable" in block]
    told = tmp_path / "told"
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\necho "$*" >> {told}\n')
    (tmp_path / "systemctl").chmod(0o700)
    (tmp_path / "ln").symlink_to("/bin/true")
    block, count = re.subn(r"--retry \d+", "--retry 1", block)
    assert count == 1
    with answering(*statuses) as port:
        code = bash(f"PATH={tmp_path}:$PATH\n{block.replace(f':{PORT}/', f':{port}/')}")
    assert (code == 0) == is_replaced
    stopped = "disable --now everything-server-alive@8101.timer everything-server@8101"
    assert (stopped in told.read_text()) == is_replaced
