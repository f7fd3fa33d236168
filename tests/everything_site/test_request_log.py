"""The line that every HTTP request leaves in the log."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from everything_site.logs import request_id
from everything_site.request_log import RequestLog

LOGGER = "everything_site.requests"


async def request(path: str, headers: list[tuple[bytes, bytes]] | None = None, app: Any = None) -> list[Any]:
    """Send one request through the middleware and return what came back."""
    sent: list[Any] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": (request_id.get() or "").encode()})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"code=secret"}
    await RequestLog(app or answer)({**scope, "headers": headers or []}, None, send)
    return sent


async def test_a_request_leaves_one_line_without_its_query(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, LOGGER):
        await request("/callback")
    (line,) = caplog.records
    assert line.getMessage() == "GET /callback"
    assert line.__dict__["status"] == 204
    assert line.__dict__["milliseconds"] >= 0
    assert "secret" not in str(line.__dict__)


async def test_the_response_names_the_id_that_the_handler_logged() -> None:
    start, body = await request("/")
    (name, value) = start["headers"][-1]
    assert name == b"x-request-id"
    assert value == body["body"]
    assert re.fullmatch(rb"[0-9a-f]{16}", value)
    assert request_id.get() is None


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [(b"edge-0123456789", True), (b"short", False), (b"forged\nline-12345", False), (b"x" * 65, False)],
)
async def test_the_id_of_a_proxy_is_taken_over_if_it_is_one(given: bytes, is_taken: bool) -> None:
    start, _ = await request("/", [(b"x-request-id", given)])
    assert (start["headers"][-1][1] == given) is is_taken


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_leave_no_line(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, LOGGER):
        await request(path)
    assert not caplog.records


async def test_a_request_that_fails_leaves_a_line_too(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("broken")

    with caplog.at_level(logging.INFO, LOGGER), pytest.raises(ValueError, match="broken"):
        await request("/", app=broken)
    assert caplog.records[0].__dict__["status"] == 0
    assert request_id.get() is None


async def test_what_is_no_http_request_passes_by() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    await RequestLog(app)({"type": "lifespan"}, None, None)
    assert seen == [{"type": "lifespan"}]
