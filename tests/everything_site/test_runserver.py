"""`python manage.py runserver` in a fresh checkout: one command, and nothing left behind."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from everything_site import exit_codes
from tests.everything_site.checkout import Checkout, checkout, eventually
from tests.support.processes import free_port, needs_proc

INSPECTOR = "@modelcontextprotocol/inspector@latest --transport http --server-url"

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240), needs_proc]


def _has_ipv6_loopback() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Checkout]:
    """Nothing has run there yet."""
    with checkout(tmp_path) as made:
        yield made


@pytest.fixture
def used(tmp_path: Path) -> Iterator[Checkout]:
    """`migrate` has run there."""
    with checkout(tmp_path, migrated=True) as made:
        yield made


def test_it_starts_from_nothing_reloads_and_leaves_nothing_behind_at_ctrl_c(fresh: Checkout) -> None:
    fresh.runserver()
    base = f"http://localhost:{fresh.port}"
    for place in (f"{base}/mcp", f"{base}/admin/", f"npx -y {INSPECTOR} {base}/mcp"):
        assert place in fresh.output
    password = re.search(r"user admin, password (\S+)\)", fresh.output)
    assert password
    with sqlite3.connect(fresh.folder / "db.sqlite3") as database:
        ((stored,),) = database.execute("SELECT password FROM auth_user WHERE username = 'admin'")
    database.close()
    assert password[1] not in stored
    with urlopen(f"{base}/", timeout=10) as page:
        assert f"{base}/mcp" in page.read().decode()
    with urlopen(f"{base}/static/style.css", timeout=10) as style:
        assert style.headers["X-Content-Type-Options"] == "nosniff"

    before = fresh.output.count("MCP endpoint")
    views = fresh.folder / "everything_site" / "pages" / "views.py"
    views.write_text(views.read_text() + "\n# changed\n")
    eventually(lambda: fresh.output.count("MCP endpoint") > before, "it starts anew when the code changes")
    eventually(lambda: fresh.is_ready, "it serves again")
    assert fresh.output.count(password[1]) == 1, "the password is shown once"

    assert {path.stat().st_mode & 0o777 for path in fresh.folder.glob("db.sqlite3*")} == {0o600}
    fresh.send(signal.SIGINT, to_all=True)
    eventually(lambda: fresh.has_ended, "the command ends")
    eventually(lambda: not fresh.processes, f"no process is left: {fresh.processes}")
    assert not fresh.leftovers
    assert "Traceback" not in fresh.output


@pytest.mark.parametrize("arguments", [(), ("--noreload",)], ids=["reloading", "not reloading"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_script_that_started_it_in_the_background_can_end_it(
    used: Checkout, arguments: tuple[str, ...], number: signal.Signals
) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # what a shell without job control does for `&`
    try:
        used.runserver(*arguments)
    finally:
        signal.signal(signal.SIGINT, before)
    used.send(number)
    eventually(lambda: used.has_ended, "the command ends")
    eventually(lambda: not used.processes, f"no process is left: {used.processes}")
    eventually(lambda: not used.leftovers, f"nothing is left: {used.leftovers}")
    with sqlite3.connect(f"file:{used.folder / 'db.sqlite3'}?immutable=1", uri=True) as database:
        ((people,),) = database.execute("SELECT count(*) FROM auth_user")
    database.close()
    assert people == 1, "all of it is in the one file"


@pytest.mark.parametrize(("arguments", "address"), [((), "127.0.0.1:"), (("--noreload",), "")])
def test_a_port_that_is_given_as_an_argument_is_the_one_that_is_published(
    used: Checkout, arguments: tuple[str, ...], address: str
) -> None:
    told, used.port = used.port, free_port()
    used.runserver(f"{address}{used.port}", *arguments, PORT=str(told))
    assert f"http://localhost:{used.port}/mcp" in used.output
    assert str(told) not in used.output
    metadata = f"http://localhost:{used.port}/.well-known/oauth-protected-resource/mcp"
    with urlopen(metadata, timeout=10) as answer:
        assert f'"http://localhost:{used.port}/mcp"' in answer.read().decode()


@pytest.mark.skipif(not _has_ipv6_loopback(), reason="this computer has no address ::1")
def test_it_listens_at_the_address_of_this_computer_that_is_published(used: Checkout) -> None:
    used.start("--noreload", BASE_URI=f"http://[::1]:{used.port}", PORT="")
    eventually(lambda: "MCP endpoint" in used.output or used.has_ended, "it says what to open")
    with urlopen(f"http://[::1]:{used.port}/healthz", timeout=10) as answer:
        assert answer.status == 200
    assert not used.answers("/healthz"), "127.0.0.1 is another address"


def test_a_url_that_does_not_lead_here_is_pointed_out(used: Checkout) -> None:
    used.runserver("--noreload", BASE_URI="http://localhost:1")
    assert f"this server listens on port {used.port}" in used.output
    assert "set BASE_URI" in used.output


def test_the_authorization_servers_port_is_no_argument(used: Checkout) -> None:
    told = used.manage("runauthserver", "--noreload", str(used.port), AUTH_MODE="separate")
    assert told.stderr == (
        "CommandError: Set AUTH_SERVER_PORT instead: the MCP server has to know the port as well.\n"
    )


@pytest.mark.parametrize("arguments", [(), ("--noreload",)], ids=["reloading", "not reloading"])
def test_kill_9_of_the_parent_leaves_nothing_behind(used: Checkout, arguments: tuple[str, ...]) -> None:
    used.runserver(*arguments)
    assert len(used.processes) >= 3, "the command, the keeper and Valkey"
    used.send(signal.SIGKILL)
    eventually(lambda: used.has_ended, "the command ends")
    eventually(lambda: not used.processes, f"no process is left: {used.processes}")
    assert not used.socket_folder.exists()


def test_kill_9_of_the_parent_while_the_server_starts_leaves_nothing_behind(fresh: Checkout) -> None:
    fresh.start()
    assert fresh.command is not None
    children = Path(f"/proc/{fresh.command.pid}/task/{fresh.command.pid}/children")

    def has_started_the_server() -> bool:
        words = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children.read_text().split()]
        return any(b"runserver" in each for each in words)

    eventually(has_started_the_server, "the reloader has started the process that serves")
    fresh.send(signal.SIGKILL)
    eventually(lambda: fresh.has_ended, "the command ends")
    eventually(lambda: not fresh.processes, f"no process is left: {fresh.processes}")
    assert not fresh.socket_folder.exists()


def test_two_commands_of_a_fresh_checkout_may_start_concurrently(fresh: Checkout) -> None:
    second = Checkout(fresh.folder, free_port(), log="second.txt")
    fresh.start("--noreload")
    second.start("--noreload")
    eventually(lambda: fresh.is_ready or fresh.has_ended, "the first is ready")
    eventually(lambda: second.is_ready or second.has_ended, "the second is ready")
    assert fresh.is_ready, fresh.output
    assert second.is_ready, second.output
    passwords = [re.search(r"user admin, password (\S+)\)", command.output) for command in (fresh, second)]
    assert len([found for found in passwords if found]) == 1
    for command in (fresh, second):
        command.send(signal.SIGINT)
    eventually(lambda: fresh.has_ended and second.has_ended, "both end")
    eventually(lambda: not fresh.leftovers, f"nothing is left: {fresh.leftovers}")


def test_commands_of_a_checkout_share_the_embedded_valkey_until_the_last_one_ends(used: Checkout) -> None:
    used.runserver("--noreload")
    valkeys = _valkeys(used)
    assert len(valkeys) == 1
    second = Checkout(used.folder, free_port(), log="second.txt")
    second.runserver("--noreload")
    assert _valkeys(used) == valkeys

    second.send(signal.SIGINT)
    eventually(lambda: second.has_ended, "the second command ends")
    assert used.is_ready, "the first goes on"

    second.runserver("--noreload")
    used.send(signal.SIGINT)
    eventually(lambda: used.has_ended, "the first command ends")
    eventually(lambda: "Valkey was restarted" in second.output, "it says so")
    eventually(lambda: second.is_ready, "the second is ready again")
    second.send(signal.SIGINT)
    eventually(lambda: second.has_ended, "the second command ends")
    eventually(lambda: not used.leftovers, f"nothing is left: {used.leftovers}")


@pytest.mark.parametrize("arguments", [(), ("--noreload",)], ids=["reloading", "not reloading"])
def test_a_port_that_is_taken_is_refused_before_anything_starts(
    fresh: Checkout, arguments: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", fresh.port)):
        fresh.start(*arguments)
        eventually(lambda: fresh.has_ended, "the command ends")
    assert fresh.command is not None
    assert fresh.command.returncode == exit_codes.PORT_UNAVAILABLE
    assert fresh.output == f"CommandError: Port {fresh.port} is in use: set PORT.\n"
    assert not (fresh.folder / "db.sqlite3").exists()


def test_the_port_of_the_authorization_server_is_looked_at_too(fresh: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fresh.start("--with-auth-server", AUTH_MODE="separate", AUTH_SERVER_PORT=str(port))
        eventually(lambda: fresh.has_ended, "the command ends")
    assert fresh.output == f"CommandError: Port {port} is in use: set AUTH_SERVER_PORT.\n"


def test_no_query_is_written_to_the_log_of_a_failure(used: Checkout) -> None:
    used.start("--noreload", REDIS_URL="redis://127.0.0.1:1/0")
    eventually(lambda: used.answers("/healthz") or used.has_ended, "the server answers")
    request = Request(
        f"http://localhost:{used.port}/mcp?access_token=secret", headers={"Authorization": "Bearer x"}
    )
    with pytest.raises(HTTPError) as refused:
        urlopen(request, timeout=20)
    refused.value.close()
    assert refused.value.code == 503
    used.send(signal.SIGINT)
    eventually(lambda: used.has_ended, "the command ends")
    assert "GET /mcp status=503" in used.output
    assert "secret" not in used.output


def _valkeys(made: Checkout) -> set[int]:
    return {process for process in made.processes if b"valkey-server" in _command_line(process)}


def _command_line(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
