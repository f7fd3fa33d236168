"""SIGTERM: the process is no longer ready, lets its calls finish, and hands over the others."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from mcp_app.conf import conf
from mcp_app.coordination import keys
from tests.mcp_app.transports.support import text_of, tool_call
from tests.processes import lease_of
from tests.processes.support import (
    APPLICATION,
    PATIENCE,
    Diary,
    Person,
    Site,
    pid_of,
    readiness,
    with_settings,
)
from tests.rolling.servers import SERVERS, Uvicorn, is_installed
from tests.support.forking import Process
from tests.support.processes import ServerProcess
from tests.support.waiting import eventually
from tests.support.wire import JSON_OR_STREAM

GRACE_SECONDS = 2
"""Of the fleet."""

END_SECONDS = GRACE_SECONDS + 2 + 2
"""The grace period, then what handing over and saying goodbye may take."""

SLACK_SECONDS = 4
"""For a machine with much to do."""


@pytest.fixture(params=["daphne", "uvicorn"])
async def leaving(request: pytest.FixtureRequest, fleet: Site) -> AsyncIterator[ServerProcess]:
    """A process that will be terminated; the other one stays."""
    if request.param == "daphne":
        yield fleet.servers[0]
        return
    if not is_installed(request.param):
        pytest.skip(f"{request.param} is not installed")
    server = SERVERS[request.param](fleet.installation, application=APPLICATION)
    server.start()
    try:
        yield server
    finally:
        server.kill()


async def readiness_is(server: ServerProcess, status: int) -> bool:
    return await readiness(server) == status


async def ended(process: Process) -> int:
    return await asyncio.to_thread(process.wait, PATIENCE)


async def test_a_terminated_process_sends_its_clients_away_and_finishes_its_calls(
    fleet: Site, leaving: ServerProcess, client_of: Any, diary: Diary
) -> None:
    staying = fleet.servers[1]
    alice: Person = client_of(fleet.people["alice"])
    session = await alice.open(leaving.url)
    listening = await session.listen(leaving.url)
    assert await readiness(leaving) == 200
    call = tool_call("harmful", {"diary": str(diary.path), "seconds": 1.5, "steps": 3}, id="x", progress=1)
    running = await session.post(leaving.url, call)
    await running.next_message()

    assert leaving.process is not None
    process = leaving.process
    logged_before = len(leaving.log)
    process.send_signal(signal.SIGTERM)
    told_at = time.monotonic()
    last = (await listening.blocks())[-1]
    assert last.retry == conf.retry_milliseconds
    assert not listening.was_cut
    assert process.poll() is None
    assert await readiness(leaving) == 503
    refused = await session.get(leaving.url)
    assert refused.status == 503
    assert refused.headers["retry-after"] == "1"
    again = await session.listen(staying.url, listening.last_id)

    *progress, answer = await running.messages()
    assert [message["params"]["progress"] for message in progress] == [2, 3]
    assert text_of(answer) == "done"
    code = await ended(process)
    assert code == (-signal.SIGTERM if isinstance(leaving, Uvicorn) else 0)
    assert time.monotonic() - told_at < END_SECONDS + SLACK_SECONDS
    assert len(diary.runs) == 1

    assert await session.ping(staying.url) == 200
    await session.call(staying.url, "test_trigger_tool_change")
    assert (await again.next_message())["method"] == "notifications/tools/list_changed"
    assert "Traceback" not in leaving.log[logged_before:]


@pytest.mark.parametrize("name", SERVERS)
async def test_a_terminated_process_ends_whatever_server_it_is(
    fleet: Site, client_of: Any, name: str
) -> None:
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    server = SERVERS[name](fleet.installation, application=APPLICATION)
    server.start()
    try:
        alice: Person = client_of(fleet.people["alice"])
        listening = await (await alice.open(server.url)).listen(server.url)
        assert server.process is not None
        process = server.process
        process.send_signal(signal.SIGTERM)
        assert (await listening.blocks())[-1].retry == conf.retry_milliseconds
        await ended(process)
        assert "drained" in server.log
    finally:
        server.kill()


async def test_a_terminated_process_leaves_no_lease_and_no_entry_behind(
    fleet: Site, leaving: ServerProcess
) -> None:
    assert leaving.process is not None
    process, lease = leaving.process, keys.named_lease(lease_of(pid_of(leaving)))
    with fleet.redis() as redis:
        await eventually(lambda: bool(redis.exists(lease)))
        before: Any = redis.zrange(keys.processes(), 0, -1)
        process.send_signal(signal.SIGTERM)
        await ended(process)
        assert not redis.exists(lease)
        after: Any = redis.zrange(keys.processes(), 0, -1)
        assert len(set(before) - set(after)) == 1


async def test_calls_that_do_not_finish_are_handed_over_and_settled_elsewhere_once(
    fleet: Site, client_of: Any, tmp_path: Path
) -> None:
    leaving, staying = fleet.servers
    alice: Person = client_of(fleet.people["alice"])
    session = await alice.open(leaving.url)
    streams = {}
    diaries = {tool: Diary(tmp_path / tool) for tool in ("harmless", "harmful")}
    for tool, seconds in (("harmless", 4), ("harmful", 60)):
        arguments = {"diary": str(diaries[tool].path), "seconds": seconds, "steps": 4}
        streams[tool] = await session.post(leaving.url, tool_call(tool, arguments, id=tool, progress=tool))
        await streams[tool].next_message()

    assert leaving.process is not None
    process = leaving.process
    process.send_signal(signal.SIGTERM)
    told_at = time.monotonic()
    heard: dict[str, list[Any]] = {}
    for tool, stream in streams.items():
        blocks = await stream.blocks()
        assert not stream.was_cut
        assert blocks[-1].retry == conf.retry_milliseconds
        heard[tool] = [block.message for block in blocks if block.data]
    assert await ended(process) == 0
    assert time.monotonic() - told_at < END_SECONDS + SLACK_SECONDS

    for tool, stream in streams.items():
        resumed = await session.get(staying.url, stream.last_id)
        heard[tool] += await resumed.messages()
        assert [message["id"] for message in heard[tool] if "id" in message] == [tool], "one answer"
    assert text_of(heard["harmless"][-1]) == "done"
    assert len(set(diaries["harmless"].runs)) == 2
    assert heard["harmful"][-1]["error"]["data"] == {"reason": "worker_lost"}
    assert len(diaries["harmful"].runs) == 1


@pytest.fixture
def patient(fleet: Site) -> Iterator[ServerProcess]:
    """A process that would wait for its calls longer than anyone wants."""
    made = with_settings(fleet.installation, MCP_SHUTDOWN_GRACE_SECONDS=300)
    server = ServerProcess(made, application=APPLICATION)
    server.start()
    yield server
    server.kill()


async def test_a_second_sigterm_ends_a_process_immediately(
    patient: ServerProcess, fleet: Site, client_of: Any, diary: Diary
) -> None:
    alice: Person = client_of(fleet.people["alice"])
    session = await alice.open(patient.url)
    call = tool_call("harmful", {"diary": str(diary.path), "seconds": 60}, progress=1)
    running = await session.post(patient.url, call)
    await running.next_message()
    await diary.until_written()
    assert patient.process is not None
    process = patient.process
    process.send_signal(signal.SIGTERM)
    await eventually(lambda: readiness_is(patient, 503))
    process.send_signal(signal.SIGTERM)
    told_at = time.monotonic()
    await ended(process)
    assert time.monotonic() - told_at < SLACK_SECONDS
    resumed = await session.get(fleet.servers[1].url, running.last_id)
    (answer,) = await resumed.messages()
    assert answer["error"]["data"] == {"reason": "worker_lost"}


# --- the lame-duck time --------------------------------------------------------------------------------


@pytest.fixture(params=["daphne", "uvicorn", "granian"])
def lame_duck(request: pytest.FixtureRequest, fleet: Site) -> Iterator[ServerProcess]:
    """A process that would serve as before for a long time after SIGTERM."""
    if not is_installed(request.param):
        pytest.skip(f"{request.param} is not installed")
    made = with_settings(fleet.installation, MCP_LAME_DUCK_SECONDS=300)
    server = SERVERS[request.param](made, application=APPLICATION)
    server.start()
    yield server
    server.kill()


async def test_a_process_that_is_leaving_serves_as_before_but_is_not_ready(
    lame_duck: ServerProcess, client_of: Any, fleet: Site
) -> None:
    alice: Person = client_of(fleet.people["alice"])
    session = await alice.open(lame_duck.url)
    assert lame_duck.process is not None
    lame_duck.process.send_signal(signal.SIGTERM)
    await eventually(lambda: readiness_is(lame_duck, 503))
    listening = await session.listen(lame_duck.url)
    assert await session.ping(lame_duck.url) == 200
    await session.call(lame_duck.url, "test_trigger_tool_change")
    assert (await listening.next_message())["method"] == "notifications/tools/list_changed"
    assert await readiness(lame_duck) == 503


async def test_a_process_that_is_leaving_lets_no_connection_be_used_again(lame_duck: ServerProcess) -> None:
    assert lame_duck.process is not None
    with closing(HTTPConnection("127.0.0.1", lame_duck.port, timeout=PATIENCE)) as kept:

        def ask() -> tuple[int, str | None]:
            kept.request("GET", "/healthz")
            response = kept.getresponse()
            response.read()
            return response.status, response.headers["connection"]

        assert await asyncio.to_thread(ask) == (200, None)
        lame_duck.process.send_signal(signal.SIGTERM)
        await eventually(lambda: readiness_is(lame_duck, 503))
        sock = kept.sock
        assert await asyncio.to_thread(ask) == (200, "close")
        if sock.fileno() != -1:
            assert await asyncio.to_thread(sock.recv, 1) == b"", "the server closes it, too"


async def test_the_connection_of_an_event_stream_is_closed_when_the_stream_ends(
    lame_duck: ServerProcess, client_of: Any, fleet: Site
) -> None:
    alice: Person = client_of(fleet.people["alice"])
    session = await alice.open(lame_duck.url)
    call = tool_call("longRunningOperation", {"duration": 0.1, "steps": 1}, progress=1)
    headers = {**JSON_OR_STREAM, **alice.identity.headers, **session.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    def all_that_is_sent() -> bytes:
        body = json.dumps(call).encode()
        with socket.create_connection(("127.0.0.1", lame_duck.port), timeout=PATIENCE) as connection:
            start = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{lame_duck.port}\r\n{head}"
            kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            connection.sendall(f"{start}{kind}\r\n".encode() + body)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    sent = await asyncio.to_thread(all_that_is_sent)
    assert b"connection: close\r\n" in sent.lower()
    assert sent.endswith(b"0\r\n\r\n"), "the end of the stream, not of the process"


# The parent of granian's processes passes only one signal on.
@pytest.mark.parametrize("lame_duck", ["daphne", "uvicorn"], indirect=True)
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_second_signal_ends_the_lame_duck_time(
    lame_duck: ServerProcess, second: signal.Signals
) -> None:
    assert lame_duck.process is not None
    process = lame_duck.process
    process.send_signal(signal.SIGTERM)
    await eventually(lambda: readiness_is(lame_duck, 503))
    process.send_signal(second)
    await ended(process)
    assert "drained" in lame_duck.log
