"""`runserver --processes 2`: one address, and processes that may be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import httpx2
import pytest

from everything_site.relay.workers import RESTART_SECONDS
from tests.everything_site.checkout import Checkout, checkout
from tests.everything_site.checkout import eventually as eventually_sync
from tests.mcp_app.transports.support import tool_call
from tests.processes.support import Identity, Person, sign_in
from tests.support.processes import needs_proc
from tests.support.waiting import eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240), needs_proc]

SLOW = tool_call("longRunningOperation", {"duration": 8, "steps": 8}, progress="p")


def processes(at: Checkout) -> list[dict[str, Any]]:
    with urlopen(f"http://localhost:{at.port}/-/processes", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)["processes"]
    return found


def act(at: Checkout, name: str, action: str) -> list[dict[str, Any]]:
    base = f"http://localhost:{at.port}"
    headers = {"Origin": base, "X-Requested-With": "test"}
    with urlopen(
        Request(f"{base}/-/processes/{name}/{action}", method="POST", headers=headers), timeout=10
    ) as answer:
        found: list[dict[str, Any]] = json.load(answer)["processes"]
    return found


def all_up(at: Checkout) -> bool:
    return all(process["state"] == "up" for process in processes(at))


def served_by(at: Checkout, **headers: str) -> str:
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    with urlopen(Request(f"http://localhost:{at.port}/healthz", headers=own), timeout=30) as answer:
        return str(answer.headers["X-Served-By"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    with checkout(tmp_path_factory.mktemp("several"), migrated=True) as made:
        made.start("--processes", "2", "--noreload")
        eventually_sync(lambda: "MCP Inspector" in made.output or made.has_ended, "both processes serve")
        yield made


@pytest.fixture
def two(running: Checkout) -> Checkout:
    """Two processes that serve."""
    assert not running.has_ended, running.output
    eventually_sync(lambda: all_up(running), "both processes are up again")
    return running


@pytest.fixture(scope="module")
def identity(running: Checkout) -> Identity:
    return asyncio.run(sign_in(f"http://localhost:{running.port}", "alice"))


@pytest.fixture
async def alice(identity: Identity) -> AsyncIterator[Person]:
    person = Person(identity)
    yield person
    await person.leave()


def test_requests_take_turns_or_go_where_they_want_to(two: Checkout) -> None:
    assert {served_by(two) for _ in range(4)} == {"p1", "p2"}
    assert {served_by(two, X_Try_Process="p2") for _ in range(3)} == {"p2"}
    with pytest.raises(HTTPError, match="404"):
        served_by(two, X_Try_Process="p9")


def test_the_processes_themselves_accept_no_browser(two: Checkout) -> None:
    ports = _ports_of(int(processes(two)[0]["pid"]))
    assert ports
    for port in ports:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(1024) == b""


async def test_a_running_call_goes_on_when_its_process_is_killed(two: Checkout, alice: Person) -> None:
    base = f"http://localhost:{two.port}"
    alice.http.headers["X-Try-Process"] = "p1"
    session = await alice.open(base)
    stream = await session.post(base, SLOW)
    assert stream.headers["x-served-by"] == "p1"
    assert (await stream.next_message())["method"] == "notifications/progress"
    act(two, "p1", "kill")
    seen = len(await stream.blocks())
    assert stream.was_cut, "as if there were no relay"
    alice.http.headers["X-Try-Process"] = "p2"
    resumed = await session.get(base, stream.last_id)
    assert resumed.headers["x-served-by"] == "p2"
    told = [message["params"]["progress"] for message in (await resumed.messages())[:-1]]
    assert told == sorted(set(told)), "nothing is told twice"
    assert seen + len(told) < 9


async def test_a_client_that_leaves_is_gone_for_the_process_too(two: Checkout, alice: Person) -> None:
    base = f"http://localhost:{two.port}"
    session = await alice.open(base)
    before = two.output.count("GET /mcp")
    stream = await session.get(base)
    await stream.drop()
    await eventually(lambda: two.output.count("GET /mcp") > before, within=15)


def test_a_process_that_was_killed_comes_back_by_itself_or_at_once(two: Checkout) -> None:
    [first, second] = processes(two)
    [_, other] = act(two, "p1", "kill")
    eventually_sync(lambda: processes(two)[0]["state"] == "dead", "it is dead")
    assert other["pid"] == second["pid"]
    assert {served_by(two) for _ in range(3)} == {"p2"}, "the other goes on"
    with pytest.raises(HTTPError, match="503"):
        served_by(two, X_Try_Process="p1")
    assert 0 < processes(two)[0]["starts_in"] <= RESTART_SECONDS
    act(two, "p1", "start")
    assert processes(two)[0]["state"] in ("starting", "up")
    eventually_sync(lambda: all_up(two), "it serves again")
    assert processes(two)[0]["pid"] != first["pid"]

    os.kill(processes(two)[1]["pid"], signal.SIGKILL)
    eventually_sync(lambda: processes(two)[1]["state"] == "dead", "this is noticed too")
    eventually_sync(lambda: all_up(two), "and it comes back")


@pytest.mark.usefixtures("identity")  # signed in before no client may register any more
async def test_the_processes_see_the_address_of_the_client(two: Checkout) -> None:
    """As with one process, what a client says of its address counts for nothing."""
    base = f"http://localhost:{two.port}"
    async with httpx2.AsyncClient(timeout=30) as http:
        statuses = [
            (
                await http.post(
                    f"{base}/register",
                    json={"redirect_uris": ["https://a.example/"]},
                    headers={"X-Forwarded-For": f"192.0.2.{n}"},
                )
            ).status_code
            for n in range(40)
        ]
    assert 429 in statuses, "all of them came from one address"


def test_leases_are_short_unless_a_setting_says_otherwise(two: Checkout) -> None:
    pid = int(processes(two)[0]["pid"])
    with open(f"/proc/{pid}/environ", "rb") as environment:
        assert b"MCP_LEASE_SECONDS=3" in environment.read().split(b"\0")


def serves(made: Checkout, *arguments: str) -> None:
    made.start("--processes", "2", *arguments)
    eventually_sync(lambda: "MCP Inspector" in made.output or made.has_ended, "both processes serve")
    assert not made.has_ended, made.output


def ends(made: Checkout, number: signal.Signals) -> None:
    """Send it a signal, at SIGINT as a terminal does: nothing is left of it."""
    made.send(number, to_all=number == signal.SIGINT)
    eventually_sync(lambda: made.has_ended, "the command ends")
    eventually_sync(lambda: not made.processes, f"no process is left: {made.processes}")
    eventually_sync(lambda: not made.socket_folder.exists(), "no folder is left")
    assert "Traceback" not in made.output


def test_nothing_is_left_of_it_when_it_is_ended(tmp_path: Path) -> None:
    with checkout(tmp_path, migrated=True) as made:
        serves(made, "--noreload")
        ends(made, signal.SIGTERM)


def test_nothing_is_left_of_it_when_it_is_killed(tmp_path: Path) -> None:
    with checkout(tmp_path, migrated=True) as made:
        serves(made)
        ends(made, signal.SIGKILL)


def test_all_processes_restart_when_the_code_changes_and_end_at_ctrl_c(tmp_path: Path) -> None:
    with checkout(tmp_path, migrated=True) as made:
        serves(made)
        before = {process["pid"] for process in processes(made)}
        source = made.folder / "mcp_app" / "transports" / "streamable_http.py"
        source.write_text(source.read_text() + "\n# changed\n")
        eventually_sync(lambda: made.output.count("MCP Inspector") > 1, "both serve again")
        assert not before & {process["pid"] for process in processes(made)}
        eventually_sync(lambda: not before & made.processes, "the old ones are gone")
        ends(made, signal.SIGINT)


def _ports_of(pid: int) -> list[int]:
    """The TCP ports on which a process listens, from /proc."""
    inodes = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    with open(f"/proc/{pid}/net/tcp") as table:
        rows = [line.split() for line in table.read().splitlines()[1:]]
    listening = "0A"
    return [int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == listening and row[9] in inodes]
