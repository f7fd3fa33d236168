"""What is too large for any page, or has too large a head, is refused before anything works on it."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import pytest
from django.conf import settings

from everything_site.middleware.handler import Handler
from mcp_app.transports.head_limit import MAX_HEAD_BYTES
from tests.everything_site.started import COMMANDS, SEPARATE, ask, served
from tests.support.asgi import PATIENCE, Http, Response
from tests.support.processes import Installation

URLENCODED = "application/x-www-form-urlencoded"
LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
PATHS = ["/token", "/register", "/authorize", "/admin/login/", "/no/such/page"]
COOKIE = f"everything-3232-csrf={'x' * 32}"


@pytest.mark.processes
@pytest.mark.parametrize("command", ["daphne", "daphne of the authorization server"])
def test_no_page_is_served_without_a_host(made: Installation, command: str) -> None:
    with served(made, COMMANDS[command], SEPARATE if "auth" in command else {}) as port:
        for path in ("/", "/admin/login/", "/healthz"):
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
                assert connection.makefile("rb").readline().split()[1] == b"400", path


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
    monkeypatch.setattr("everything_site.middleware.request_limits.BODY_SECONDS", 0)

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
