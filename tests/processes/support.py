"""An installation with several processes, and clients that speak to each process by itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import httpx2
import redis
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.mcp_app.transports.support import EVERYTHING, initialize, notification, request, tool_call
from tests.support import proxy
from tests.support.asgi import ServerSentEvent
from tests.support.browser import Browser
from tests.support.client import Storage, oauth_provider
from tests.support.processes import Installation, ServerProcess
from tests.support.waiting import eventually

LATEST = "2025-11-25"
PATIENCE = 15.0
"""Seconds that anything may take."""

LEASE_SECONDS = 3
"""Short, so that a lost call is missed soon; long enough for a machine with much to do."""

MAX_STREAM_BYTES = 1024 * 1024
"""Low, so that a test can reach it."""

APPLICATION = "tests.processes.application:application"
SETTINGS = "tests.processes.settings"


def with_settings(made: Installation, **settings: Any) -> Installation:
    """The same installation for processes with settings of their own."""
    before = json.loads(made.environment.get("TEST_SETTINGS", "{}"))
    return replace(made, environment=made.environment | {"TEST_SETTINGS": json.dumps({**before, **settings})})


def start(*servers: ServerProcess) -> None:
    """Start processes at the same time."""
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda server: server.start(), servers))


def pid_of(server: ServerProcess) -> int:
    assert server.process is not None
    return server.process.pid


class Diary:
    """A file in which a tool notes which process ran it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def runs(self) -> list[int]:
        """The ids of the processes that began to run it, in order."""
        return [int(line) for line in self.path.read_text().split()] if self.path.exists() else []

    async def until_written(self) -> None:
        """Wait until a run has begun."""
        await eventually(lambda: self.runs, within=PATIENCE)


@dataclass(frozen=True)
class Identity:
    """A person who has signed in with a client of their own."""

    person: str
    client_id: str
    token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Site:
    """What the tests know of the installation: it has one address, and processes that take turns there."""

    installation: Installation
    servers: list[ServerProcess]
    front: proxy.RoundRobinProxy
    people: dict[str, Identity] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.front.url

    @contextlib.contextmanager
    def redis(self) -> Iterator[redis.Redis]:
        with redis.Redis.from_url(
            self.installation.environment["REDIS_URL"], decode_responses=True, socket_timeout=PATIENCE
        ) as client:
            yield client

    def process_of(self, diary: Diary) -> ServerProcess:
        """The process that wrote into a diary last."""
        last = diary.runs[-1]
        return next(server for server in self.servers if server.process and pid_of(server) == last)

    async def sign_in(self, person: str) -> Identity:
        """The whole of the OAuth flow, with a client that registers for it."""
        return await sign_in(self.url, person)


async def sign_in(url: str, person: str) -> Identity:
    """The whole of the OAuth flow, with a client that registers for it."""
    storage = Storage()
    mcp = f"{url}/mcp"
    async with (
        Browser(person) as browser,
        httpx2.AsyncClient(auth=oauth_provider(mcp, browser, storage), timeout=30) as http,
    ):
        await http.post(mcp, json={})
    assert storage.tokens is not None
    assert storage.tokens.refresh_token is not None
    assert storage.client is not None
    assert storage.client.client_id is not None
    return Identity(
        person, storage.client.client_id, storage.tokens.access_token, storage.tokens.refresh_token
    )


class Reply:
    """A response whose body is read as it comes."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.headers = response.headers
        self._lines = cast(AsyncGenerator[str, None], response.aiter_lines())
        self.last_id: str | None = None
        self.was_cut = False
        """Whether the stream ended without its proper end, as when its process is killed."""

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]

    async def body(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.response.aread()

    async def json(self) -> Any:
        return json.loads(await self.body())

    async def next_block(self) -> ServerSentEvent | None:
        """The next event or comment; None at the end of the stream."""
        lines: list[str] = []
        async with asyncio.timeout(PATIENCE):
            try:
                async for line in self._lines:
                    if line:
                        lines.append(line)
                        continue
                    block = ServerSentEvent.parse("\n".join(lines))
                    self.last_id = block.id or self.last_id
                    return block
            except httpx2.TransportError:
                self.was_cut = True
        return None

    async def next_event(self) -> ServerSentEvent:
        """The next event that carries a message."""
        while (block := await self.next_block()) is not None:
            if block.data:
                return block
        raise AssertionError("the stream ended before the next event")

    async def next_message(self) -> Any:
        return (await self.next_event()).message

    async def blocks(self) -> list[ServerSentEvent]:
        """What is left, to the end of the stream."""
        found = []
        while (block := await self.next_block()) is not None:
            found.append(block)
        return found

    async def messages(self) -> list[Any]:
        """The messages that are left, to the end of the stream."""
        return [block.message for block in await self.blocks() if block.data]

    async def answer(self) -> Any:
        """The last message, however it is sent: as JSON or at the end of a stream."""
        return await self.json() if self.content_type == "application/json" else (await self.messages())[-1]

    async def drop(self) -> None:
        """Close the connection, as a client does that goes away."""
        with contextlib.suppress(RuntimeError):  # a reader that was cancelled has closed it already
            await self._lines.aclose()
        await self.response.aclose()


class Person:
    """A client that speaks to whichever process it likes, with somebody's token."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._replies: list[Reply] = []
        self.http = httpx2.AsyncClient(
            headers=identity.headers,
            timeout=PATIENCE,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, message: Any = None
    ) -> Reply:
        """Send a request; return when the response has started."""
        given = {"Accept": "application/json, text/event-stream", **(headers or {})}
        body = None if message is None else json.dumps(message).encode()
        if body is not None:
            given["Content-Type"] = "application/json"
        request = self.http.build_request(method, url, headers=given, content=body)
        async with asyncio.timeout(PATIENCE):
            reply = Reply(await self.http.send(request, stream=True))
        self._replies.append(reply)
        return reply

    async def leave(self) -> None:
        """Close every connection."""
        for reply in self._replies:
            await reply.drop()
        await self.http.aclose()

    async def open(self, at: str, revision: str = LATEST, capabilities: Any = None) -> Session:
        """Open a session."""
        message = initialize(revision, EVERYTHING if capabilities is None else capabilities)
        reply = await self.send("POST", f"{at}/mcp", message=message)
        assert reply.status == 200, await reply.body()
        assert (await reply.json())["result"]["protocolVersion"] == revision
        session = Session(self, reply.headers["mcp-session-id"], revision)
        assert (await session.post(at, notification("notifications/initialized"))).status == 202
        return session


class Session:
    """One session; `at` is always the process, or the proxy, that a request goes to."""

    def __init__(self, person: Person, id: str, revision: str = LATEST) -> None:
        self.person = person
        self.id = id
        self.revision = revision

    @property
    def headers(self) -> dict[str, str]:
        return {"Mcp-Session-Id": self.id, "MCP-Protocol-Version": self.revision}

    async def post(self, at: str, message: Any) -> Reply:
        return await self.person.send("POST", f"{at}/mcp", self.headers, message)

    async def get(self, at: str, last_event_id: str | None = None) -> Reply:
        more = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        headers = {**self.headers, "Accept": "text/event-stream", **more}
        return await self.person.send("GET", f"{at}/mcp", headers)

    async def listen(self, at: str, last_event_id: str | None = None) -> Reply:
        """Open a GET stream, and return when it has said its first words."""
        stream = await self.get(at, last_event_id)
        assert stream.status == 200, await stream.body()
        assert (await stream.next_block()) is not None
        return stream

    async def delete(self, at: str) -> Reply:
        return await self.person.send("DELETE", f"{at}/mcp", self.headers)

    async def call(self, at: str, name: str, arguments: Any = None, **options: Any) -> Any:
        """Call a tool and return the whole response."""
        return await (await self.post(at, tool_call(name, arguments, **options))).answer()

    async def ping(self, at: str) -> int:
        """The status of a request that costs next to nothing."""
        reply = await self.post(at, request("ping"))
        await reply.body()
        return reply.status


def answer_to(question: Any) -> dict[str, Any]:
    """What a client says when it is asked to sample or to elicit."""
    result: dict[str, Any]
    if question["method"] == "sampling/createMessage":
        prompt = question["params"]["messages"][0]["content"]["text"]
        result = {"role": "assistant", "model": "m", "content": {"type": "text", "text": f"To {prompt}"}}
    else:
        result = {"action": "accept", "content": {"username": "alice", "email": "alice@example.com"}}
    return {"jsonrpc": "2.0", "id": question["id"], "result": result}


async def hears_changes(listening: Reply, session: Session, at: str, by: str) -> None:
    """A change that is made while its process is cut off from Redis is not told; those afterwards are.

    The stream is at one process, and the changes are made by another. When the stream ends, its client
    comes back, as it is told to.
    """

    async def hear() -> Any:
        stream = listening
        while True:
            while (block := await stream.next_block()) is not None:
                if block.data:
                    return block.message
            stream = await session.listen(at, stream.last_id)

    hearing = asyncio.create_task(hear())

    async def is_heard() -> bool:
        await session.call(by, "test_trigger_tool_change")
        await asyncio.wait({hearing}, timeout=0.5)
        return hearing.done()

    await eventually(is_heard)
    assert (await hearing)["method"] == "notifications/tools/list_changed"


@contextlib.asynccontextmanager
async def sdk_client(url: str, identity: Identity, **options: Any) -> AsyncIterator[Client]:
    """The official client in a session of its own."""
    async with httpx2.AsyncClient(
        headers=identity.headers, timeout=httpx2.Timeout(PATIENCE, read=60)
    ) as http:
        transport = streamable_http_client(f"{url}/mcp", http_client=http)
        async with Client(transport, mode="legacy", **options) as client:
            yield client


async def readiness(server: ServerProcess) -> int:
    """The status of `/readyz`; 0 when nobody answers."""
    async with httpx2.AsyncClient(timeout=PATIENCE) as http:
        try:
            return (await http.get(f"{server.url}/readyz")).status_code
        except httpx2.TransportError:
            return 0
