"""A request that Django cannot read is refused, whoever sends it: no 500, no traceback, one short line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from everything_site.logs import JsonFormatter
from everything_site.middleware.handler import Handler
from mcp_app.transports.head_limit import HeadLimit
from tests.support.asgi import PATIENCE, Http, Response

PATHS = [
    *("/", "/no/such/page", "/connections", "/admin/", "/admin/login/"),
    *("/token", "/register", "/authorize", "/fakeupstreamauth/authorize"),
]
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
COOKIE = f"everything-3232-csrf={'x' * 32}"
MANY = "a&" * 1100


def _part(disposition: bytes, more: bytes = b"") -> bytes:
    return b"--x\r\nContent-Disposition: form-data; " + disposition + b"\r\n" + more + b"\r\nb\r\n--x--\r\n"


QUERIES = [
    *(
        MANY,
        "a=" + "b" * 15_000,
        "%",
        "a=%ff",
        "%00=%00",
        "a=%ud83d",
        "a=\ufffd&;&=&",
        "next=" + "%2f" * 5000,
    ),
    *("client_id=%00", "state=%f0%9f%98%80&scope=%", "response_type=code&client_id=" + "a" * 9000),
]
BODIES = [
    *((URLENCODED, MANY.encode()), (URLENCODED, b"\xff=\xff&%=%&%ff"), (URLENCODED, b"a=%00&\x00")),
    (f"{URLENCODED}; charset=utf-8", MANY.encode()),
    (f"{URLENCODED}; charset=ascii", "ä=ä".encode()),
    *((MULTIPART, b""), (MULTIPART, b"nothing of this kind"), (MULTIPART, b"--x\r\n" * 2000)),
    (MULTIPART, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nno end'),
    (MULTIPART, _part(b'name="a"; filename="../../\x00"')),
    (MULTIPART, _part(b'name="\xff"', b"Content-Type: a/b; charset=rot13\r\n")),
    (MULTIPART, _part(b"name*=nosuch''a")),
    (MULTIPART, _part(b'name="a"', b"Content-Transfer-Encoding: base64\r\n")),
    (MULTIPART, _part(b'name="a"; filename="f"', b"Content-Transfer-Encoding: base64\r\n")),
    (MULTIPART, _part(b'name="a"; filename="f"', b"Content-Length: x\r\n")),
    (MULTIPART, b"".join(_part(b'name="a%d"' % n)[: -len(b"--x--\r\n")] for n in range(1100)) + b"--x--\r\n"),
    (
        MULTIPART,
        b"".join(_part(b'name="a"; filename="%d"' % n)[: -len(b"--x--\r\n")] for n in range(150))
        + b"--x--\r\n",
    ),
    *(("multipart/form-data", b"--x"), ("multipart/form-data; boundary=" + "x" * 300, b"--x")),
    *(("multipart/form-data; boundary=", b"--"), ("multipart/form-data; boundary=\xe4", b"--\xe4")),
    *((";;;=", b"a"), ("", b"a"), ("application/json", b"\xff"), ("application/json", b"[" * 20_000)),
]
HEADERS = [
    *({"content-length": each} for each in ("x", "-1", "1e5", "9" * 30, "", "1,1", " 5", "\xb2")),
    *(
        {"cookie": f"everything-3232-{each}"}
        for each in (
            "session=\x00",
            "session=" + "a" * 9000,
            "csrf=\xff",
            'csrf="\\777"',
            "messages=a:b:c",
            "=",
        )
    ),
    *({"accept-language": each} for each in ("a" * 9000, "*;q=x", "en-\x00", "x-" * 600)),
    *({"host": each} for each in ("", "a b", "[", "localhost:x", "\xff", "a" * 9000, "localhost:99999999")),
    *({"referer": each} for each in ("http://[", "\xff", "a" * 9000)),
    *({"origin": each} for each in ("http://[", "null", "\xff")),
    *({"authorization": each} for each in ("Basic", "Basic \xff", "Basic ====", "Basic AP8=", "Bearer \x00")),
    {"if-modified-since": "Mon, 99 Foo 99999 99:99:99 GMT"},
    {"range": "bytes=9-1,-,x"},
]


async def ask(method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Response:
    """The response, when the handler is done with the request."""
    sent = {"host": "localhost", "cookie": COOKIE, **(headers or {})}
    response = await Http(HeadLimit(Handler())).request(method, target, headers=sent, body=body)
    assert response.task
    await asyncio.wait_for(response.task, PATIENCE)
    return response


class Lines(logging.Handler):
    """What the console gets: pytest's own handler is also at the loggers that do not propagate."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def assert_no_failure(response: Response, lines: Lines, what: object) -> None:
    assert response.status < 500, what
    for record in lines.records:
        assert record.levelno < logging.ERROR, (what, record.getMessage())
        assert record.exc_info is None, what
        assert len(JsonFormatter().format(record)) < 1000, what
    lines.records.clear()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", PATHS)
async def test_nothing_that_is_sent_to_a_page_makes_it_fail(path: str, lines: Lines) -> None:
    form = {"content-type": f"{URLENCODED}; charset=utf-8"}
    for query in QUERIES:
        assert_no_failure(await ask("GET", f"{path}?{query}"), lines, query[:50])
        assert_no_failure(await ask("POST", f"{path}?{query}", form, b"a=b"), lines, query[:50])
    for kind, body in BODIES:
        assert_no_failure(await ask("POST", path, {"content-type": kind}, body), lines, (kind, body[:80]))
    for headers in HEADERS:
        assert_no_failure(await ask("GET", path, headers), lines, headers)
        assert_no_failure(await ask("POST", path, form | headers, b"a=b"), lines, headers)


@pytest.mark.parametrize("path", PATHS)
async def test_more_parameters_than_allowed_are_refused(path: str, lines: Lines) -> None:
    response = await ask("POST", f"{path}?{MANY}", {"content-type": f"{URLENCODED}; charset=utf-8"}, b"a=b")
    assert response.status == 400
    assert (await response.json())["error"] == "invalid_request"


@pytest.mark.parametrize("debug", [True, False])
async def test_a_query_with_too_many_parameters_makes_no_page_about_an_error(
    debug: bool, lines: Lines, settings: Any
) -> None:
    settings.DEBUG = debug
    assert (await ask("GET", f"/authorize?{'a=1&' * 1100}")).status == 400


@pytest.mark.django_db(transaction=True)
async def test_a_suspicious_request_is_one_short_line(lines: Lines) -> None:
    assert (await ask("GET", "/admin/?" + "a" * 15_000)).status < 500
    assert (
        await ask("POST", "/connections?" + MANY, {"content-type": URLENCODED}, MANY.encode())
    ).status == 400
    for record in [record for record in lines.records if record.name.startswith("django.security")]:
        assert (record.levelno, record.exc_info) == (logging.WARNING, None)
        assert len(JsonFormatter().format(record)) < 500
