"""`python manage.py runserver` as a stranger meets it: one command, nothing else, and nothing left behind."""

from __future__ import annotations

import re
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.everything_site.checkout import Checkout, checkout, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Checkout]:
    with checkout(tmp_path) as made:
        yield made


def test_it_starts_from_nothing_reloads_and_leaves_nothing_behind_at_ctrl_c(fresh: Checkout) -> None:
    fresh.runserver()
    base = f"http://localhost:{fresh.port}"
    for place in (f"{base}/mcp", f"{base}/admin/", "npx @modelcontextprotocol/inspector"):
        assert place in fresh.output
    password = re.search(r"user admin, password (\S+)\)", fresh.output)
    assert password
    with sqlite3.connect(fresh.folder / "db.sqlite3") as database:
        ((stored,),) = database.execute("SELECT password FROM auth_user WHERE username = 'admin'")
    database.close()
    assert password[1] not in stored
    with urlopen(f"{base}/", timeout=10) as page:
        assert f"{base}/mcp" in page.read().decode()

    before = fresh.output.count("MCP endpoint")
    views = fresh.folder / "everything_site" / "views.py"
    views.write_text(views.read_text() + "\n# changed\n")
    eventually(lambda: fresh.output.count("MCP endpoint") > before, "it starts anew when the code changes")
    eventually(lambda: fresh.is_ready, "it serves again")
    assert fresh.output.count(password[1]) == 1, "the password is shown once"

    fresh.send(signal.SIGINT, to_all=True)
    eventually(lambda: fresh.has_ended, "the command ends")
    eventually(lambda: not fresh.processes, f"no process is left: {fresh.processes}")
    assert "Traceback" not in fresh.output


@pytest.mark.parametrize("arguments", [(), ("--noreload",)], ids=["reloading", "not reloading"])
def test_kill_9_of_the_parent_leaves_nothing_behind(fresh: Checkout, arguments: tuple[str, ...]) -> None:
    fresh.runserver(*arguments)
    assert len(fresh.processes) >= 3, "the command, the keeper and Valkey"
    fresh.send(signal.SIGKILL)
    eventually(lambda: fresh.has_ended, "the command ends")
    eventually(lambda: not fresh.processes, f"no process is left: {fresh.processes}")


def test_a_second_command_of_the_checkout_shares_the_embedded_valkey(fresh: Checkout) -> None:
    fresh.runserver("--noreload")
    servers = {path for path in fresh.processes if b"valkey-server" in _command_line(path)}
    assert len(servers) == 1
    first, fresh.port = fresh.port, fresh.port + 1
    second = Checkout(fresh.folder, fresh.port)
    second.runserver("--noreload")
    assert {path for path in fresh.processes if b"valkey-server" in _command_line(path)} == servers
    second.send(signal.SIGINT)
    eventually(lambda: second.has_ended, "the second command ends")
    fresh.port = first
    assert fresh.is_ready, "the first goes on"


def _command_line(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
