"""Who may kill a process: a page of this server on this computer, and nobody else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from everything_site.relay.control import answer
from everything_site.relay.head import Head
from everything_site.relay.workers import Workers

PORT = 3232
HOST = f"localhost:{PORT}"
OURS = {"Host": HOST, "Origin": f"http://{HOST}", "X-Requested-With": "page"}
START = "/-/processes/p1/start"


def ask(
    method: str, path: str, headers: Mapping[str, str | None], peer: str = "127.0.0.1"
) -> tuple[int, dict[str, Any]]:
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    head = Head("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode())
    response = answer(head, peer, PORT, Workers(2, {}))
    status, _, body = response.partition(b"\r\n\r\n")
    assert b"access-control" not in status.lower(), "no other page may read it"
    return int(status.split()[1]), json.loads(body)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1"])
@pytest.mark.parametrize("host", [HOST, f"127.0.0.1:{PORT}", f"[::1]:{PORT}"])
def test_a_page_of_this_computer_may(host: str, peer: str) -> None:
    own = OURS | {"Host": host, "Origin": f"http://{host}"}
    assert ask("POST", START, own, peer)[0] == 200
    status, found = ask("GET", "/-/processes", {"Host": host}, peer)
    assert status == 200
    assert [process["name"] for process in found["processes"]] == ["p1", "p2"]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Origin": f"https://{HOST}"}, 403),
        ({"X-Requested-With": None}, 403),
        ({"Host": "evil.example:3232", "Origin": "http://evil.example:3232"}, 421),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 421),
        ({"Host": None}, 421),
        ({"Host": "[", "Origin": "http://["}, 421),
        ({"X-Forwarded-For": "192.0.2.1"}, 403),
        ({"Forwarded": "for=192.0.2.1"}, 403),
        ({"Via": "1.1 tunnel"}, 403),
    ],
    ids=str,
)
def test_nobody_else_may(changed: dict[str, str | None], status: int) -> None:
    assert ask("POST", START, OURS | changed)[0] == status


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "fe80::1%eth0"])
def test_no_other_computer_may(peer: str) -> None:
    assert ask("POST", START, OURS, peer)[0] == 403
    assert ask("GET", "/-/processes", OURS, peer)[0] == 403


def test_a_browser_that_asks_for_another_page_is_refused() -> None:
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-requested-with",
    }
    other = {"Host": HOST, "Origin": "http://localhost:9999"}
    assert ask("OPTIONS", START, other | preflight)[0] == 403
    assert ask("OPTIONS", START, OURS | preflight)[0] == 405


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/-/processes/p1/kill", 409),
        ("POST", "/-/processes/p3/kill", 404),
        ("POST", "/-/processes/p1/pause", 404),
        ("POST", "/-/processes", 405),
        ("GET", START, 405),
        ("GET", "/-/", 404),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(method: str, path: str, status: int) -> None:
    found, body = ask(method, path, OURS)
    assert found == status
    assert body["error"]
