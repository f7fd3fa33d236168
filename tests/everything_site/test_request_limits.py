"""What is too large for any page, or has too large a head, is refused before anything works on it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from twisted.web.http import HTTPChannel

from everything_site.handler import Handler
from everything_site.request_limits import MAX_HEAD_BYTES, MAX_HEADERS, HeadLimit
from tests.everything_site.started import COMMANDS, SEPARATE, ask, served
from tests.support.asgi import PATIENCE, Http, Response
from tests.support.processes import Installation, free_port, installation

URLENCODED = "application/x-www-form-urlencoded"
LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
PATHS = ["/token", "/register", "/authorize", "/admin/login/", "/no/such/page"]
COOKIE = f"everything-3232-csrf={'x' * 32}"


@pytest.fixture(scope="module")
def made() -> Iterator[Installation]:
    with installation(f"http://localhost:{free_port()}") as one:
        yield one


class Asked:
    """An application that counts its requests."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.times += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def head(
    app: Any,
    headers: list[tuple[bytes, bytes]],
    *,
    path: str = "/",
    query: bytes = b"",
    version: str = "1.0",
) -> int:
    scope = {
        "type": "http",
        "http_version": version,
        "path": path,
        "query_string": query,
        "headers": headers,
    }
    statuses = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    await app(scope, None, send)
    status: int = statuses[0]
    return status


def test_the_limits_of_a_head_are_those_of_daphne() -> None:
    assert (HTTPChannel.totalHeadersSize, HTTPChannel.maxHeaders) == (MAX_HEAD_BYTES, MAX_HEADERS)


@pytest.mark.parametrize(
    ("headers", "path", "query"),
    [
        ([(b"a", b"")] * (MAX_HEADERS + 1), "/", b""),
        ([(b"a", b"b" * MAX_HEAD_BYTES)], "/", b""),
        ([(b"a" * MAX_HEAD_BYTES, b"")], "/", b""),
        ([(b"a", b"b" * (MAX_HEAD_BYTES // 2))] * 2, "/", b""),
        ([], "/" + "a" * MAX_HEAD_BYTES, b""),
        ([], "/", b"a" * MAX_HEAD_BYTES),
    ],
    ids=["lines", "value", "name", "together", "path", "query"],
)
async def test_a_head_that_daphne_would_not_read_is_refused_under_every_server(
    headers: list[tuple[bytes, bytes]], path: str, query: bytes
) -> None:
    app = Asked()
    assert await head(HeadLimit(app), headers, path=path, query=query) == 431
    assert app.times == 0


HOST = (b"host", b"localhost")


@pytest.mark.parametrize(
    ("version", "headers", "status"),
    [
        ("1.1", [], 400),
        ("1.1", [HOST, HOST], 400),
        ("1.1", [HOST], 200),
        ("1.0", [], 200),
        ("2", [], 200),
        *(
            ("1.1", [HOST, (b"content-length", length)], 400)
            for length in (b"", b"x", b"-1", b"1,1", b"9" * 30)
        ),
        ("1.1", [HOST, (b"content-length", b"10")], 200),
    ],
)
async def test_a_request_has_one_host_and_a_length_that_is_a_number(
    version: str, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    app = Asked()
    assert await head(HeadLimit(app), headers, version=version) == status
    assert app.times == (status == 200)


@pytest.mark.processes
@pytest.mark.parametrize("command", ["daphne", "daphne of the authorization server"])
def test_no_page_is_served_without_a_host(made: Installation, command: str) -> None:
    with served(made, COMMANDS[command], SEPARATE if "auth" in command else {}) as port:
        for path in ("/", "/admin/login/", "/healthz"):
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
                assert connection.makefile("rb").readline().split()[1] == b"400", path


async def test_a_head_within_the_limits_is_served() -> None:
    app = Asked()
    headers = [(b"a", b"")] * (MAX_HEADERS - 1) + [(b"b", b"c" * (MAX_HEAD_BYTES - MAX_HEADERS - 100))]
    assert await head(HeadLimit(app), headers) == 200


UVICORN = ("-m", "uvicorn", "--no-access-log", "--http", "h11", "--port", "{port}")
SERVERS = {
    name: (*UVICORN, f"everything_site.{module}:application")
    for name, module in (("of MCP", "asgi"), ("of the authorization server", "auth_asgi"))
}


@pytest.mark.processes
@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)
def test_every_server_has_the_limits(made: Installation, command: tuple[str, ...]) -> None:
    separate = SEPARATE if "auth_asgi" in command[-1] else {}
    with served(made, command, separate) as port:
        assert ask(port, Authorization="Bearer " + "x" * MAX_HEAD_BYTES)[0] == 431
        assert ask(port, "POST", b"a" * (LIMIT + 1), "/token", Content_Type=URLENCODED)[0] == 413


async def post(path: str, content_type: str, *pieces: bytes) -> tuple[Response, int]:
    """The response of Django, and how many pieces of the body it asked for."""
    read = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def counting() -> Any:
            nonlocal read
            message = await receive()
            read += message["type"] == "http.request"
            return message

        await Handler()(scope, counting, send)

    headers = {"host": "localhost", "cookie": COOKIE, "content-type": content_type}
    response = await Http(app).request("POST", path, headers=headers, body=list(pieces))
    assert response.task
    await asyncio.wait_for(response.task, PATIENCE)
    return response, read


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "content_type",
    [
        URLENCODED,
        "multipart/form-data; boundary=b",
        "application/json",
        "text/plain",
    ],
)
async def test_a_body_that_no_page_needs_is_refused_before_it_is_stored(path: str, content_type: str) -> None:
    response, read = await post(path, content_type, b"a" * LIMIT, b"a", b"a", b"a")
    assert response.status == 413
    assert (await response.json())["error"] == "invalid_request"
    assert read == 2


async def test_a_body_of_the_largest_size_is_read() -> None:
    response, read = await post("/token", URLENCODED, b"a" * LIMIT)
    assert (response.status, read) == (400, 1)


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_does_not_arrive_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("everything_site.request_limits.BODY_SECONDS", 0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await Handler()(scope, asyncio.Event().wait, send)

    response = await Http(app).request("POST", path, headers={"host": "localhost", "cookie": COOKIE})
    assert response.status == 408


@pytest.mark.parametrize("path", PATHS)
async def test_a_form_that_cannot_be_read_is_no_fault_of_the_server(
    caplog: pytest.LogCaptureFixture, path: str
) -> None:
    with caplog.at_level(logging.INFO):
        response, _ = await post(path, "multipart/form-data; boundary=b", b"--b\r\n" + b"a" * 5000)
    assert 400 <= response.status < 500
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
