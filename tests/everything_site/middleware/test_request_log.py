"""The line that every HTTP request leaves in the log."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest

from everything_site.logs import MAX_LINES, ConsoleHandler, JsonFormatter, request_id
from everything_site.middleware.request_log import RequestLog
from tests.support.waiting import eventually

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


@pytest.mark.parametrize(("status", "lines"), [(200, 0), (304, 0), (404, 1), (500, 1)])
async def test_static_files_leave_a_line_only_if_they_fail(
    status: int, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def static(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})

    with caplog.at_level(logging.INFO, LOGGER):
        await request("/static/style.css", app=static)
    assert len(caplog.records) == lines


async def test_a_request_that_fails_leaves_a_line_too(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("broken")

    with caplog.at_level(logging.INFO, LOGGER), pytest.raises(ValueError, match="broken"):
        await request("/", app=broken)
    assert caplog.records[0].__dict__["status"] == 0
    assert request_id.get() is None


@contextmanager
def only_console() -> Iterator[ConsoleHandler]:
    """The console as the only handler, writing into memory; pytest adds its own handlers to each test."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    console = ConsoleHandler()
    console.setFormatter(JsonFormatter())
    console.setStream(StringIO())
    root.handlers, root.level = [console], logging.INFO
    try:
        yield console
    finally:
        root.handlers, root.level = handlers, level
        console.flush()


def lines_of(console: ConsoleHandler) -> list[dict[str, Any]]:
    return [json.loads(line) for line in console.stream.getvalue().splitlines()]


async def test_where_only_the_console_listens_the_line_is_the_same() -> None:
    with only_console() as console:
        await request("/callback")
        console.flush()
        [direct] = lines_of(console)
        logging.getLogger().handlers.append(logging.NullHandler())
        await request("/callback")
    [_, logged] = lines_of(console)
    assert direct.keys() == logged.keys()
    assert (direct["level"], direct["logger"], direct["message"]) == ("info", LOGGER, "GET /callback")
    assert direct["status"] == 204


@pytest.mark.parametrize("parent", ["everything_site", "everything_site.another"])
async def test_where_only_the_console_listens_no_record_is_made(
    parent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever other loggers there are: the parent of the request log may be one."""
    logging.getLogger(parent)
    with only_console() as console, monkeypatch.context() as patched:
        patched.setattr(logging.Logger, "makeRecord", lambda *args, **options: pytest.fail("a record"))
        await request("/callback")
        console.flush()
        assert len(lines_of(console)) == 1


@pytest.mark.parametrize("name", ["everything_site", ""])
async def test_another_handler_of_a_logger_above_has_the_line_too(name: str) -> None:
    heard = StringIO()
    handler = logging.StreamHandler(heard)
    with only_console() as console:
        above = logging.getLogger(name)
        above.addHandler(handler)
        try:
            await request("/callback")
        finally:
            above.removeHandler(handler)
        assert len(lines_of(console)) == 1
    assert heard.getvalue() == "GET /callback\n"


async def test_the_line_is_written_soon_by_itself() -> None:
    with only_console() as console:
        await request("/callback")
        await eventually(lambda: len(lines_of(console)) == 1)


async def test_lines_stay_in_order_with_what_else_is_logged() -> None:
    with only_console() as console:
        await request("/first")
        logging.getLogger(LOGGER).warning("second")
        await request("/third")
    assert [line["message"] for line in lines_of(console)] == ["GET /first", "second", "GET /third"]


async def test_many_lines_do_not_wait() -> None:
    with only_console() as console:
        for _ in range(MAX_LINES):
            await request("/callback")
        assert len(lines_of(console)) == MAX_LINES


async def test_a_broken_console_affects_no_request() -> None:
    with only_console() as console:
        console.stream.close()
        for _ in range(MAX_LINES):
            await request("/callback")
        console.setStream(StringIO())


async def test_the_application_may_say_more(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["log_fields"]["username"] = "alice"

    with caplog.at_level(logging.INFO, LOGGER):
        await request("/", app=app)
    assert caplog.records[0].__dict__["username"] == "alice"


async def test_other_scopes_than_http_pass_through() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    await RequestLog(app)({"type": "lifespan"}, None, None)
    assert seen == [{"type": "lifespan"}]
