"""Several streams of one session, readers that do not read, and tools that block."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from mcp_app.conf import conf
from tests.mcp_app.transports.support import request, text_of, tool_call
from tests.processes.support import (
    MAX_STREAM_BYTES,
    PATIENCE,
    Diary,
    Person,
    Reply,
    Session,
    Site,
    pid_of,
)
from tests.support.processes import ServerProcess, needs_proc
from tests.support.waiting import eventually

CHANGED = "notifications/tools/list_changed"
CHUNK = 64 * 1024


async def _next_method(stream: Reply) -> str:
    return (await stream.next_message())["method"]


async def test_the_newest_of_several_streams_gets_messages_and_then_another(
    site: Site, alice: Person
) -> None:
    one, other = (server.url for server in site.servers)
    session = await alice.open(one)
    oldest = await session.listen(one)
    older = await session.listen(other)
    newest = await session.listen(one)
    await session.call(other, "test_trigger_tool_change", id=1)
    assert await _next_method(newest) == CHANGED
    await newest.drop()
    with site.redis() as store:
        await eventually(lambda: _listener(store, session) not in ("", _name(newest)))
    await session.call(one, "test_trigger_prompt_change", id=2)
    heir = asyncio.create_task(_next_method(older))
    other_heir = asyncio.create_task(_next_method(oldest))
    done, waiting = await asyncio.wait({heir, other_heir}, return_when=asyncio.FIRST_COMPLETED)
    (heard,) = done
    assert heard.result() == "notifications/prompts/list_changed", "and not what the newest has heard already"
    await asyncio.wait(waiting, timeout=0.5)
    (silent,) = waiting
    assert not silent.done(), "one stream hears, not two"
    silent.cancel()


def _listener(store: Redis, session: Session) -> str:
    """The stream that gets what belongs to no call."""
    claim: Any = store.get(f"mcp:claim:{{{session.id}}}")
    return (claim or "").partition("/")[0]


def _name(stream: Reply) -> str:
    assert stream.last_id is not None
    return stream.last_id.partition("_")[0]


async def test_a_stream_takes_over_from_one_whose_process_was_killed(fleet: Site, client_of: Any) -> None:
    alice: Person = client_of(fleet.people["alice"])
    victim, survivor = fleet.servers
    session = await alice.open(survivor.url)
    stays = await session.listen(survivor.url)
    newest = await session.listen(victim.url)
    await session.call(survivor.url, "test_trigger_tool_change", id=1)
    assert await _next_method(newest) == CHANGED
    victim.kill()
    await newest.blocks()
    # Its client comes back: the new stream takes over at once, from the dead one as from the living one.
    again = await session.listen(survivor.url, newest.last_id)
    await session.call(survivor.url, "test_trigger_tool_change", id=2)
    assert await _next_method(again) == CHANGED
    await again.drop()

    async def is_succeeded() -> bool:
        with fleet.redis() as store:
            return _listener(store, session) == _name(stays)

    await eventually(is_succeeded)
    await session.call(survivor.url, "test_trigger_prompt_change", id=3)
    assert await _next_method(stays) == "notifications/prompts/list_changed"


class Unread:
    """A client that sends a request and does not read the answer, until it does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def post(cls, server: ServerProcess, session: Session, message: Any) -> AsyncIterator[Unread]:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", server.port))
        reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
        body = json.dumps(message).encode()
        headers = {
            **session.headers,
            **session.person.identity.headers,
            "Host": f"127.0.0.1:{server.port}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body)
        await writer.drain()
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def read(self) -> bytes:
        """Everything that the server has sent in the end."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read(-1)


def resident_bytes(server: ServerProcess) -> int:
    status = Path(f"/proc/{pid_of(server)}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


@needs_proc
async def test_a_reader_that_does_not_read_costs_no_memory_and_gets_everything_when_it_resumes(
    site: Site, alice: Person, diary: Diary
) -> None:
    server, other = site.servers
    session = await alice.open(server.url)
    messages = 16 * MAX_STREAM_BYTES // CHUNK
    arguments = {"messages": messages, "size": CHUNK, "diary": str(diary.path)}
    before = resident_bytes(server)
    async with Unread.post(server, session, tool_call("flood", arguments, id="f", progress="f")) as unread:
        await diary.until_written()  # all has been said, though nobody has read it
        grown = resident_bytes(server) - before
        sent = await unread.read()
    assert grown < 8 * MAX_STREAM_BYTES, f"{grown} bytes"
    assert len(sent) < MAX_STREAM_BYTES + 4 * CHUNK
    assert f"\nretry: {conf.retry_milliseconds}\n\n".encode() in sent[-40:]

    heard = _progress(sent)
    last_id = sent.rpartition(b"\nid: ")[2].partition(b"\n")[0].decode()
    connections = 1
    answers: list[Any] = []
    while not answers:
        assert connections < 40
        resumed = await session.get((server.url, other.url)[connections % 2], last_id)
        received = 0
        for block in await resumed.blocks():
            if block.data:
                received += len(block.data)
                message = block.message
                (answers if "id" in message else heard).append(
                    message if "id" in message else message["params"]["progress"]
                )
        assert received < MAX_STREAM_BYTES + 4 * CHUNK, "each connection is bounded"
        assert resumed.last_id is not None
        last_id = resumed.last_id
        connections += 1
    assert heard == list(range(1, messages + 1))
    assert text_of(answers[0]) == "flooded"


def _progress(raw: bytes) -> list[int]:
    lines = [line for line in raw.splitlines() if line.startswith(b"data: {") and line.endswith(b"}")]
    return [json.loads(line[6:])["params"]["progress"] for line in lines]


async def test_a_tool_that_blocks_a_thread_does_not_block_others(site: Site, alice: Person) -> None:
    at = site.servers[0].url
    session = await alice.open(at)
    blocking = [
        asyncio.create_task(session.call(at, "block", {"seconds": 1.5}, id=f"block {number}"))
        for number in range(4)
    ]
    slowest = 0.0
    pings = 0
    while not all(task.done() for task in blocking):
        begun = time.monotonic()
        assert await session.ping(at) == 200
        slowest = max(slowest, time.monotonic() - begun)
        pings += 1
        await asyncio.wait(blocking, timeout=0.02)  # a quick machine would exceed the rate of a person
    assert [text_of(await task) for task in blocking] == ["blocked"] * 4
    assert pings > 4
    assert slowest < 0.75, f"{slowest:.3f} s"


async def test_one_simulated_update_ticks_however_many_processes_and_streams_there_are(
    site: Site, alice: Person, bob: Person
) -> None:
    one, other = (server.url for server in site.servers)
    uri = "test://static/resource/1"
    heard: dict[str, Counter[str]] = {}

    async def watch(session: Session, at: str) -> None:
        stream = await session.listen(at)
        while True:
            message = await stream.next_message()
            heard[session.id][message["method"]] += 1

    sessions = [await person.open(one) for person in (alice, bob)]
    watching = []
    for session in sessions:
        heard[session.id] = Counter()
        await (await session.post(other, request("resources/subscribe", {"uri": uri}))).body()
        watching += [asyncio.create_task(watch(session, at)) for at in (one, other, one, other)]
    quiet = await alice.open(other)  # subscribes to nothing
    heard[quiet.id] = Counter()
    watching.append(asyncio.create_task(watch(quiet, one)))
    try:
        await asyncio.wait(watching, timeout=13, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in watching:
            task.cancel()
    assert not [task for task in watching if task.done() and not task.cancelled()]
    for session in sessions:
        assert heard[session.id] == {"notifications/resources/updated": 1}
    assert heard[quiet.id] == {}
