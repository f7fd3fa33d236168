"""Tasks and notes on real processes: another process settles what a killed one was doing."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

from tests.support.client import connect, sign_in
from tests.support.processes import ServerProcess, free_port, installation

from .support import DECLARED, MODERN

pytestmark = [
    pytest.mark.processes,
    # The client calls subscriptions deprecated; servers of the earlier revisions have them.
    pytest.mark.filterwarnings(
        f"ignore::{MCPDeprecationWarning.__module__}.{MCPDeprecationWarning.__name__}"
    ),
]

WAIT = 30


@pytest.fixture(scope="module")
def _servers() -> Iterator[tuple[ServerProcess, ServerProcess]]:
    port = free_port()
    with installation(f"http://localhost:{port}", CONFORMANCE_FIXTURES="1") as made, ExitStack() as stack:
        both = ServerProcess(made), ServerProcess(made, port)
        for server in both:
            stack.callback(server.stop)
        yield both


@pytest.fixture
def servers(_servers: tuple[ServerProcess, ServerProcess]) -> tuple[ServerProcess, ServerProcess]:
    """Two processes of one installation. Its address is the second one's. A test may kill them."""
    for server in _servers:
        if server.process is None:
            server.start()
    return _servers


class Caller:
    """A client that talks to one chosen process."""

    def __init__(self, token: str):
        self.headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN,
        }

    async def request(self, url: str, method: str, params: dict[str, Any], name: str) -> dict[str, Any]:
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": DECLARED,
        }
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        async with httpx2.AsyncClient(timeout=WAIT) as http:
            headers = {**self.headers, "Mcp-Method": method, "Mcp-Name": name}
            response = await http.post(f"{url}/mcp", json=message, headers=headers)
        text = response.text
        if response.headers["content-type"].startswith("text/event-stream"):
            text = [line[6:] for line in text.splitlines() if line.startswith("data: {")][-1]
        return json.loads(text)["result"]

    async def listen(self, url: str, task_id: str) -> list[dict[str, Any]]:
        """The messages of a listen stream, until the task has ended."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": DECLARED,
        }
        params = {"notifications": {"taskIds": [task_id]}, "_meta": meta}
        message = {"jsonrpc": "2.0", "id": "listen", "method": "subscriptions/listen", "params": params}
        headers = {**self.headers, "Mcp-Method": "subscriptions/listen"}
        heard: list[dict[str, Any]] = []
        async with (
            httpx2.AsyncClient(timeout=WAIT) as http,
            http.stream("POST", f"{url}/mcp", json=message, headers=headers) as response,
        ):
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    heard.append(json.loads(line[6:]))
                    if heard[-1]["params"].get("status") == "completed":
                        break
        return heard

    async def get(self, url: str, task_id: str) -> dict[str, Any]:
        return await self.request(url, "tasks/get", {"taskId": task_id}, task_id)


def address(server: ServerProcess) -> str:
    return f"http://localhost:{server.port}/mcp"


async def until(caller: Caller, url: str, task_id: str, *statuses: str) -> dict[str, Any]:
    """The task, once it has one of these statuses."""
    for _ in range(WAIT * 5):
        task = await caller.get(url, task_id)
        if task["status"] in statuses:
            return task
        await anyio.sleep(0.2)
    raise AssertionError(f"{task_id} is still {task['status']}")


class Heard:
    """The notifications that a client gets, by their type."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.news = anyio.Event()

    async def __call__(self, message: Any) -> None:
        self.kinds.append(type(message).__name__)
        self.news.set()

    async def until(self, kind: str) -> None:
        with anyio.fail_after(WAIT):
            while kind not in self.kinds:
                self.news = anyio.Event()
                await self.news.wait()


async def test_a_task_outlives_the_process_that_ran_it(servers: tuple[ServerProcess, ServerProcess]) -> None:
    first, second = servers
    caller = Caller(await sign_in(address(second)))
    call = {"name": "slow_compute", "arguments": {"seconds": 2, "label": "survivor"}}
    task_id = (await caller.request(first.url, "tools/call", call, "slow_compute"))["taskId"]
    asking = {"name": "confirm_delete", "arguments": {"filename": "a.txt"}}
    waiting = (await caller.request(first.url, "tools/call", asking, "confirm_delete"))["taskId"]
    await until(caller, second.url, waiting, "input_required")
    listening = asyncio.create_task(caller.listen(second.url, waiting))
    first.kill()
    (key,) = (await caller.get(second.url, waiting))["inputRequests"]
    answers = {key: {"action": "accept", "content": {"confirm": True}}}
    await caller.request(second.url, "tasks/update", {"taskId": waiting, "inputResponses": answers}, waiting)
    for one, expected in (
        (waiting, "a.txt was deleted (not really)."),
        (task_id, "survivor: computed for 2 seconds."),
    ):
        task = await until(caller, second.url, one, "completed", "failed")
        assert task["result"]["content"][0]["text"] == expected
    async with asyncio.timeout(WAIT):
        acknowledged, *heard = await listening
    assert acknowledged["params"]["notifications"] == {"taskIds": [waiting]}
    assert {message["method"] for message in heard} == {"notifications/tasks"}
    assert heard[-1]["params"]["result"] == (await caller.get(second.url, waiting))["result"]


async def test_a_change_of_notes_reaches_only_sessions_of_the_same_user(
    servers: tuple[ServerProcess, ServerProcess],
) -> None:
    first, second = servers
    alice, bob = Heard(), Heard()
    writer = Caller(await sign_in(address(second), "alice"))

    async def write(tool: str, **arguments: str) -> None:
        await writer.request(first.url, "tools/call", {"name": tool, "arguments": arguments}, tool)

    async def notes_of(client: Client) -> list[str]:
        found, cursor = [], None
        while True:
            page = await client.list_resources(cursor=cursor)
            found += [str(one.uri) for one in page.resources if str(one.uri).startswith("note:")]
            if (cursor := page.next_cursor) is None:
                return found

    with anyio.fail_after(WAIT):
        async with (
            connect(address(second), "legacy", person="alice", message_handler=alice) as listening,
            connect(address(second), "legacy", person="bob", message_handler=bob) as other,
        ):
            assert await notes_of(listening) == await notes_of(other) == []
            await write("create-note", title="Tea", text="x")
            await alice.until("ResourceListChangedNotification")
            (uri,) = await notes_of(listening)
            assert await notes_of(other) == []
            toggled = await listening.call_tool("toggle-subscriber-updates")
            assert not toggled.is_error  # no update that comes now is a simulated one
            await listening.subscribe_resource(uri)
            with pytest.raises(MCPError):
                await other.subscribe_resource(uri)
            await write("edit-note", noteId=uri.rpartition("/")[2], text="y")
            await alice.until("ResourceUpdatedNotification")
            assert not [kind for kind in bob.kinds if kind.startswith("Resource")]
