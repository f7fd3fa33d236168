"""The transport of 2024-11-05, GET /sse and POST /message, with the official client on several processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import mcp.types as types
import pytest
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

from tests.mcp_app.transports.support import initialize, notification, request, text_of, tool_call
from tests.processes.support import PATIENCE, Diary, Identity, Person, Reply, Site, answer_to
from tests.support.waiting import eventually

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{MCPDeprecationWarning.__module__}.{MCPDeprecationWarning.__name__}"
)


@contextlib.asynccontextmanager
async def official_client(url: str, identity: Identity, **callbacks: Any) -> AsyncIterator[ClientSession]:
    async with (
        asyncio.timeout(2 * PATIENCE),
        sse_client(f"{url}/sse", headers=identity.headers, timeout=PATIENCE) as (incoming, outgoing),
        ClientSession(incoming, outgoing, **callbacks) as client,
    ):
        await client.initialize()
        yield client


def text(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


def _served(site: Site) -> list[int]:
    """How many messages each process has received so far."""
    return [server.log.count("/message") for server in site.servers]


async def test_the_official_client_uses_every_feature_on_processes_that_take_turns(site: Site) -> None:
    logged: list[Any] = []
    heard: list[Any] = []
    reported: list[float] = []

    async def log(params: types.LoggingMessageNotificationParams) -> None:
        logged.append(params.data)

    async def hear(message: Any) -> None:
        heard.append(message)

    async def sample(context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        content = params.messages[0].content
        assert isinstance(content, types.TextContent)
        answer = types.TextContent(type="text", text=f"To {content.text}")
        return types.CreateMessageResult(role="assistant", content=answer, model="m")

    async def elicit(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"username": "alice", "email": "a@example.com"})

    async def roots(context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri="file:///home", name="Home")])

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reported.append(progress)

    before = _served(site)
    async with official_client(
        site.url,
        site.people["alice"],
        logging_callback=log,
        message_handler=hear,
        sampling_callback=sample,
        elicitation_callback=elicit,
        list_roots_callback=roots,
    ) as client:
        for number in range(6):
            assert text(await client.call_tool("echo", {"message": str(number)})) == f"Echo: {number}"
        assert any(tool.name == "echo" for tool in (await client.list_tools()).tools)
        assert (await client.get_prompt("simple_prompt")).messages
        assert (await client.read_resource("test://static/resource/1")).contents
        with pytest.raises(MCPError):
            await client.read_resource("test://static/resource/101")

        arguments = {"duration": 0.4, "steps": 4}
        await client.call_tool("longRunningOperation", arguments, progress_callback=on_progress)
        assert reported == [1, 2, 3, 4]
        for _ in range(2):  # asked by each process
            assert text(await client.call_tool("test_sampling", {"prompt": "Hm"})) == "LLM response: To Hm"
            assert "a@example.com" in text(await client.call_tool("test_elicitation", {"message": "?"}))
            assert "Home" in text(await client.call_tool("get-roots-list"))

        await client.set_logging_level("error")
        await client.call_tool("test_logging_tool")
        await client.call_tool("test_logging_tool")
        assert logged == ["An error message"] * 2

        note = await client.call_tool("create-note", {"title": "Milk", "text": "Two bottles."})
        link = next(block for block in note.content if isinstance(block, types.ResourceLink))
        await client.subscribe_resource(str(link.uri))
        note_id = str(link.uri).rpartition("/")[2]
        for number in range(2):  # changed by each process
            await client.call_tool("edit-note", {"noteId": note_id, "text": f"{number} bottles."})
        await eventually(lambda: len(_of(types.ResourceUpdatedNotification, heard)) == 2)
        await client.unsubscribe_resource(str(link.uri))
        await client.call_tool("delete-note", {"noteId": note_id})
        await client.call_tool("test_trigger_tool_change")
        await eventually(lambda: _of(types.ToolListChangedNotification, heard))
    assert all(b - a >= 10 for a, b in zip(before, _served(site), strict=True)), "both had their share"


def _of(kind: type[Any], heard: list[Any]) -> list[Any]:
    return [message for message in heard if isinstance(message, kind)]


class Sse:
    """A manual HTTP+SSE session, whose stream can be dropped and opened elsewhere."""

    def __init__(self, person: Person, stream: Reply, endpoint: str) -> None:
        self.person = person
        self.stream = stream
        self.endpoint = endpoint

    @classmethod
    async def open(cls, person: Person, at: str, elsewhere: str) -> Sse:
        stream = await person.send("GET", f"{at}/sse")
        assert stream.status == 200
        first = await stream.next_block()
        assert first is not None
        assert first.data is not None
        session = cls(person, stream, first.data)
        assert await session.ask(elsewhere, initialize("2024-11-05")) is not None
        assert await session.post(elsewhere, notification("notifications/initialized")) == 202
        return session

    async def post(self, at: str, message: Any) -> int:
        reply = await self.person.send("POST", at + self.endpoint, message=message)
        await reply.body()
        return reply.status

    async def ask(self, at: str, message: Any) -> Any:
        """Send a request and return the next message."""
        assert await self.post(at, message) == 202
        return await self.stream.next_message()

    async def resume(self, at: str) -> None:
        """Reconnect as an `EventSource` does."""
        assert self.stream.last_id is not None
        self.stream = await self.person.send("GET", f"{at}/sse", {"Last-Event-ID": self.stream.last_id})
        first = await self.stream.next_block()
        assert first is not None
        assert first.data == self.endpoint


async def test_a_stream_is_resumed_at_another_process_after_its_own_was_killed(
    fleet: Site, client_of: Callable[[Identity], Person], diary: Diary
) -> None:
    victim, survivor = fleet.servers
    session = await Sse.open(client_of(fleet.people["alice"]), victim.url, survivor.url)
    # Two calls run: one on the process that will be killed, one on the other.
    arguments = {"diary": str(diary.path), "seconds": 1.2, "steps": 12}
    await session.post(survivor.url, tool_call("harmful", arguments, id="living", progress="living"))
    heard = [await session.stream.next_message() for _ in range(2)]
    arguments = {"diary": str(diary.path), "seconds": 60}
    await session.post(victim.url, tool_call("harmful", arguments, id="lost", progress="lost"))
    while not any(message.get("params", {}).get("progressToken") == "lost" for message in heard):
        heard.append(await session.stream.next_message())
    victim.kill()
    await session.stream.blocks()
    assert session.stream.was_cut

    await session.resume(survivor.url)
    while sum("id" in message for message in heard) < 2:
        heard.append(await session.stream.next_message())
    progress = [
        m["params"]["progress"] for m in heard if m.get("params", {}).get("progressToken") == "living"
    ]
    assert progress == list(range(1, 13)), "each once, in order"
    answers = {message["id"]: message for message in heard if "id" in message}
    assert text_of(answers["living"]) == "done"
    assert answers["lost"]["error"]["data"] == {"reason": "worker_lost"}
    pong = await session.ask(survivor.url, request("ping", id="ping"))
    assert pong == {"jsonrpc": "2.0", "id": "ping", "result": {}}


async def test_a_question_is_answered_at_another_process(site: Site, alice: Person) -> None:
    one, other = (server.url for server in site.servers)
    session = await Sse.open(alice, one, other)
    for at, elsewhere in ((one, other), (other, one)):
        question = await session.ask(at, tool_call("test_sampling", {"prompt": "Hm"}))
        assert text_of(await session.ask(elsewhere, answer_to(question))) == "LLM response: To Hm"


async def test_a_tool_that_needs_a_further_scope_is_not_run_without_it(site: Site, alice: Person) -> None:
    one, other = (server.url for server in site.servers)
    session = await Sse.open(alice, one, other)
    reply = await alice.send("POST", other + session.endpoint, message=tool_call("describe-server"))
    assert reply.status == 403
    assert 'error="insufficient_scope"' in reply.headers["www-authenticate"]
    assert text_of(await session.ask(other, tool_call("echo", {"message": "on"}))) == "Echo: on"


async def test_a_message_for_a_foreign_session_is_answered_as_for_an_unknown_one(
    site: Site, alice: Person, alice_elsewhere: Person, bob: Person
) -> None:
    one, other = (server.url for server in site.servers)
    session = await Sse.open(alice, one, other)
    for stranger in (bob, alice_elsewhere):
        for at in (one, other):
            foreign = await stranger.send("POST", at + session.endpoint, message=request("ping"))
            unknown = await stranger.send("POST", f"{at}/message?sessionId=unknown", message=request("ping"))
            assert foreign.status == unknown.status == 404
            assert await foreign.body() == await unknown.body()
    last_id = session.stream.last_id
    assert last_id is not None
    theirs = await bob.send("GET", f"{other}/sse", {"Last-Event-ID": last_id})
    first = await theirs.next_block()
    assert first is not None
    assert first.data != session.endpoint, "a session of their own"
    pong = await session.ask(other, request("ping", id="mine"))
    assert pong["id"] == "mine"
