"""Daphne reads HTTP as this project needs it, however it is started."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from daphne.http_protocol import HTTPFactory
from daphne.server import Server
from django.core.exceptions import ImproperlyConfigured
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from mcp_app import daphne_http
from mcp_app.conf import BODY_SECONDS
from mcp_app.daphne_http import HEAD_SECONDS
from tests.everything_site.started import COMMANDS, SEPARATE, ask, served
from tests.support.processes import Installation, free_port, installation
from tests.support.waiting import eventually

MALFORMED = "multipart/form-data"
"""A form without a boundary: Twisted's parser answers it with 400 before any application is asked."""
PART = b'--b\r\nContent-Disposition: form-data; name="a"'
NEXT_LINE = b"\xd0\x85"
"""A letter in UTF-8 whose second byte some take for the end of a line."""
LONG = 17_000
TOO_LARGE = b"431 Request Header Fields Too Large"


# --- every way to start it ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made() -> Iterator[Installation]:
    with installation(f"http://localhost:{free_port()}") as one:
        yield one


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


@pytest.mark.processes
@pytest.mark.parametrize("command", COMMANDS)
def test_however_daphne_is_started_it_parses_no_form_and_passes_headers_on(
    made: Installation, command: str
) -> None:
    separate = SEPARATE if "auth" in command else {}
    with served(made, COMMANDS[command], separate, is_forked=False) as port:
        assert ask(port, "POST", b"a form", Content_Type=MALFORMED)[0] == 200
        assert ask(port, Daphne_Root_Path=b"/zzz")[0] == 200
        assert ask(port, X_User_Name="Михаил…".encode() + NEXT_LINE)[0] == 200
        assert ask(port, Authorization=b"Bearer " + b"x" * LONG)[0] == 431


@pytest.mark.processes
def test_a_form_of_many_semicolons_blocks_nobody(made: Installation) -> None:
    disposition = b'Content-Disposition: form-data; name=a;b="' + b";" * 128_000
    body = b"--b\r\n" + disposition + b"\r\n\r\nx\r\n--b--\r\n"
    head = b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    with served(made, COMMANDS["daphne"]) as port, closing(connected(port)) as sender:
        sender.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert ask(port)[0] == 200  # within ten seconds, where parsing the form takes longer
        assert sender.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.processes
@pytest.mark.parametrize("size", [LONG, 3_000_000])
def test_the_refusal_of_a_head_that_is_too_long_arrives_though_more_is_being_sent(
    made: Installation, size: int
) -> None:
    with served(made, COMMANDS["daphne"]) as port:
        status, body = ask(port, Authorization=b"Bearer " + b"x" * size)
        assert status == 431
        assert "16384 bytes" in json.loads(body)["error"]["message"]


# --- one connection ----------------------------------------------------------------------------------


class Connection:
    """A connection to Daphne without a network, in front of an application that answers with 200."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.headers: list[tuple[bytes, bytes]] = []
        """Those of the response, besides its length."""
        daphne_http.install()
        self.server = Server(self.application, endpoints=["none"], verbosity=0)
        self.server.connections = {}
        self.protocol = HTTPFactory(self.server).buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope | {"body": (await receive())["body"]})
        headers = [(b"content-length", b"0"), *self.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def sends(self, *headers: bytes, line: bytes = b"GET / HTTP/1.1", body: bytes = b"") -> None:
        length = (b"Content-Length: %d" % len(body),) if body else ()
        self.protocol.dataReceived(b"\r\n".join([line, b"Host: x", *headers, *length, b"", body]))

    @property
    def answer(self) -> bytes:
        return self.transport.value()

    @property
    def args(self) -> Any:
        """How Twisted parsed the query and form of the request."""
        [request] = self.server.connections
        return request.args

    async def scope(self) -> Any:
        """What the application received."""
        await eventually(lambda: bool(self.scopes))
        return self.scopes[-1]


@pytest.fixture
def connection() -> Iterator[Connection]:
    made = Connection()
    yield made
    made.protocol.setTimeout(None)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (b"application/x-www-form-urlencoded", b"a=1&a=2"),
        (b"APPLICATION/X-WWW-FORM-URLENCODED; charset=utf-8", b"a=1"),
        (
            b"multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--',
        ),
        (b"multipart/form-data", b"no boundary"),
        (b"multipart/form-data; boundary=\x85", b"an odd boundary"),
    ],
)
async def test_a_form_reaches_the_application_unparsed(
    connection: Connection, content_type: bytes, body: bytes
) -> None:
    connection.sends(b"Content-Type: " + content_type, line=b"POST / HTTP/1.1", body=body)
    assert connection.args == {}
    scope = await connection.scope()
    assert scope["body"] == body
    assert (b"content-type", content_type) in scope["headers"]


@pytest.mark.parametrize("name", [b"Daphne-Root-Path", b"daphne-root-path", b"DAPHNE-ROOT-PATH"])
@pytest.mark.parametrize("value", [b"", b"/", b"/zzz", b"%2F", b"\xff", b"http://elsewhere"])
async def test_a_client_cannot_say_what_the_root_path_is(
    connection: Connection, name: bytes, value: bytes
) -> None:
    connection.sends(name + b": " + value, name + b": /again")
    scope = await connection.scope()
    assert scope["root_path"] == ""
    assert [key for key, _ in scope["headers"]] == [b"host"]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Михаил".encode(), id="UTF-8"),
        pytest.param("Михаил ".encode() + NEXT_LINE, id="UTF-8 with the byte 0x85"),
        pytest.param(b"a\x85", id="0x85 at the end"),
        pytest.param(b"\x85\x85?", id="0x85 beside what could stand for it"),
        pytest.param(bytes(range(0x80, 0x100)), id="every byte above ASCII"),
    ],
)
async def test_a_value_outside_ascii_reaches_the_application_unchanged(
    connection: Connection, value: bytes
) -> None:
    others = (b"A: 1", b"X-Name: first", b"Z: \xe9?")
    connection.sends(*others, b"X-Name: " + value, b"X_Name: \x85")
    scope = await connection.scope()
    assert [v for k, v in scope["headers"] if k == b"x-name"] == [b"first", value]
    assert [(k, v) for k, v in scope["headers"] if k in (b"a", b"z")] == [(b"a", b"1"), (b"z", b"\xe9?")]


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        (
            b"GET / HTTP/1.1",
            [b"Authorization: Bearer " + b"x" * LONG],
            b"431 Request Header Fields Too Large",
        ),
        (b"GET / HTTP/1.1", [b"Cookie: a=" + b"x" * 9_000] * 2, TOO_LARGE),
        (b"GET / HTTP/1.1", [b"A: 1"] * 600, TOO_LARGE),
        (b"GET / HTTP/1.1", [b"A: 1\r\n " + b"x" * LONG], TOO_LARGE),
        (b"GET /" + b"x" * LONG + b" HTTP/1.1", [], b"414 URI Too Long"),
    ],
    ids=["one long line", "long together", "many", "a continued line", "the request line"],
)
async def test_a_head_that_is_too_large_is_refused_with_a_status_that_says_so(
    connection: Connection, line: bytes, headers: list[bytes], status: bytes
) -> None:
    connection.sends(*headers, line=line)
    head, _, body = connection.answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert b"\r\nConnection: close" in head
    error = json.loads(body)
    assert (error["id"], error["error"]["code"]) == (None, -32600)
    assert "16384 bytes" in error["error"]["message"]
    assert connection.scopes == []


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        (b"http://localhost:4732/healthz", "/healthz", b"", b"localhost:4732"),
        (b"HTTP://localhost/a%20b?c=d?e", "/a b", b"c=d?e", b"localhost"),
        (b"https://[::1]:80/mcp", "/mcp", b"", b"[::1]:80"),
        (b"http://foreign.example", "/", b"", b"foreign.example"),
        (b"http://foreign.example?a=http://x/", "/", b"a=http://x/", b"foreign.example"),
    ],
)
@pytest.mark.parametrize("given", [[], [b"Host: x"]])
async def test_the_absolute_form_of_a_target_is_served_and_its_host_counts(
    connection: Connection, target: bytes, path: str, query: bytes, host: bytes, given: list[bytes]
) -> None:
    head = [b"GET " + target + b" HTTP/1.1", *given, b"A: 1", b"", b""]
    connection.protocol.dataReceived(b"\r\n".join(head))
    scope = await connection.scope()
    assert (scope["path"], scope["query_string"]) == (path, query)
    assert scope["raw_path"] == path.replace(" ", "%20").encode()
    assert [value for name, value in scope["headers"] if name == b"host"] == [host]


@pytest.mark.parametrize(
    "target", [b"ftp://x/healthz", b"http:///healthz", b"http://a@b/healthz", b"x:80", b"*"]
)
async def test_any_other_form_of_a_target_is_not_our_path(connection: Connection, target: bytes) -> None:
    connection.sends(line=b"OPTIONS " + target + b" HTTP/1.1")
    scope = await connection.scope()
    assert (scope["path"], dict(scope["headers"])[b"host"]) == (target.decode(), b"x")


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([b"Host: x"], "Host"),
        ([b"HOST: another", b"host: "], "Host"),
        ([b"Origin: http://localhost", b"Origin: http://localhost"], "Origin"),
        ([b"origin: http://localhost", b"A: 1", b"Origin: https://foreign.example"], "Origin"),
    ],
)
@pytest.mark.parametrize("target", [b"/", b"http://x/"])
async def test_two_hosts_or_two_origins_are_refused(
    connection: Connection, headers: list[bytes], name: str, target: bytes
) -> None:
    connection.sends(*headers, line=b"GET " + target + b" HTTP/1.1")
    head, _, body = connection.answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert f"one {name} header" in json.loads(body)["error"]["message"]
    assert connection.scopes == []
    connection.sends()
    assert (await connection.scope())["path"] == "/", "the next request of the connection is served"


@pytest.mark.parametrize("digits", [b"9" * 19, b"9" * 5_001, b"0" * 5_000 + b"5"], ids=len)
@pytest.mark.parametrize("more", [[], [b"A: 1"]])
async def test_an_invalid_length_is_refused(connection: Connection, digits: bytes, more: list[bytes]) -> None:
    connection.sends(b"content-LENGTH:\t" + digits, *more, line=b"POST / HTTP/1.1")
    head, _, body = connection.answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
    assert "Content-Length" in json.loads(body)["error"]["message"]
    assert connection.scopes == []


async def test_input_after_a_refused_head_is_discarded(connection: Connection) -> None:
    connection.sends(b"A: " + b"x" * LONG)
    answer = connection.answer
    connection.sends(b"A: 1")
    connection.protocol.dataReceived(b"x" * LONG)
    assert connection.answer == answer
    assert connection.scopes == []


async def test_each_request_of_a_connection_has_the_limit_for_itself(connection: Connection) -> None:
    for number in range(1, 4):
        connection.sends(b"A: " + b"x" * 12_000)
        await eventually(lambda expected=number: len(connection.scopes) == expected)  # type: ignore[misc]
        await eventually(lambda expected=number: connection.answer.count(b"200 OK") == expected)  # type: ignore[misc]


def test_a_daphne_with_another_request_class_is_refused(connection: Connection) -> None:
    with pytest.raises(TypeError, match="does not extend"):
        connection.protocol.requestFactory = type("Other", (), {})


def test_a_twisted_that_parses_forms_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twisted.__version__", "24.11.0")
    with pytest.raises(ImproperlyConfigured, match="pip install daphne"):
        daphne_http.install()


# --- slow clients --------------------------------------------------------------------------------------

TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n"
OK = b"HTTP/1.1 200"
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


class Clock:
    """The time, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("mcp_app.daphne_http.monotonic", clock)
    return clock


def dripped(connection: Connection, clock: Clock, first: bytes, byte: bytes, seconds: float) -> bytes:
    """What is answered to a byte every second for so long."""
    connection.protocol.dataReceived(first)
    for _ in range(int(seconds)):
        clock.now += 1
        connection.protocol.dataReceived(byte)
    return connection.answer


@pytest.mark.parametrize("first", [HEAD + b"X: ", b"G", b"\r\nG"])
def test_a_head_that_arrives_byte_by_byte_is_not_waited_for(
    connection: Connection, clock: Clock, first: bytes
) -> None:
    assert dripped(connection, clock, first, b"a", HEAD_SECONDS) == b""
    assert dripped(connection, clock, b"a", b"a", 2).startswith(TOO_SLOW)


@pytest.mark.parametrize("how", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_a_body_that_arrives_byte_by_byte_is_not_waited_for(
    connection: Connection, clock: Clock, how: bytes
) -> None:
    first = HEAD + how + b"\r\n\r\n"
    assert dripped(connection, clock, first, b"1", BODY_SECONDS) == b""
    assert dripped(connection, clock, b"1", b"1", 2).startswith(TOO_SLOW)
    connection.protocol.connectionLost(Failure(ConnectionDone()))  # closes the file of the body


async def test_time_between_requests_and_during_a_response_does_not_count(
    connection: Connection, clock: Clock
) -> None:
    connection.sends(line=b"POST / HTTP/1.1", body=b"a")
    clock.now += HEAD_SECONDS + BODY_SECONDS
    connection.protocol.dataReceived(b"G")  # of the next request, before the first is answered
    clock.now += HEAD_SECONDS + BODY_SECONDS
    await eventually(lambda: connection.answer.count(OK) == 1)
    connection.protocol.dataReceived(b"ET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n")  # one line too many
    await eventually(lambda: connection.answer.count(OK) == 2)
    clock.now += HEAD_SECONDS + BODY_SECONDS
    connection.sends()
    await eventually(lambda: connection.answer.count(OK) == 3)
    assert b"408" not in connection.answer


async def test_a_connection_ends_with_a_response_that_says_so(connection: Connection) -> None:
    connection.headers = [(b"connection", b"close")]
    connection.sends()
    await eventually(lambda: connection.transport.disconnecting)
    assert b"Connection: close" in connection.answer


async def test_a_connection_stays_open_after_other_responses(connection: Connection) -> None:
    for number in (1, 2):
        connection.sends()
        await eventually(lambda number=number: connection.answer.count(b"200 OK") == number)  # type: ignore[misc]
    assert not connection.transport.disconnecting
