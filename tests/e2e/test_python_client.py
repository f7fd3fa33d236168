"""The official Python client against two processes, once for each revision, from discovery to the end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
import redis
from mcp import Client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.types import (
    BlobResourceContents,
    CallToolResult,
    LoggingMessageNotificationParams,
    PromptReference,
    ResourceLink,
    ResourceTemplateReference,
    ResourceUpdatedNotification,
    TextContent,
    TextResourceContents,
    ToolListChangedNotification,
)

from tests.e2e.conftest import in_both_modes
from tests.e2e.tools import CALLS, ELICITATION, Person, listed_at, text_of
from tests.support.browser import Browser
from tests.support.client import Storage, connect
from tests.support.deployment import Deployment

HANDSHAKE = ("2025-03-26", "2025-06-18", "2025-11-25")
MODERN = "2026-07-28"
WAIT = 30  # seconds that anything but a simulation may take

pytestmark = [
    pytest.mark.processes,
    # The client calls these features deprecated; servers of the earlier revisions have them.
    pytest.mark.filterwarnings(
        f"ignore::{MCPDeprecationWarning.__module__}.{MCPDeprecationWarning.__name__}"
    ),
]
every_revision = pytest.mark.parametrize("revision", [*HANDSHAKE, MODERN])
handshake_revisions = pytest.mark.parametrize("revision", HANDSHAKE)

Connected = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def connected(site: Deployment, revision: str) -> Connected:
    """A signed-in client of the revision; options are those of `connect`."""

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[Client]:
        mode = "auto" if revision == MODERN else revision
        with anyio.fail_after(WAIT):
            async with connect(site.mcp_url, mode, **options) as client:
                yield client

    return opened


@in_both_modes
@every_revision
async def test_a_client_discovers_registers_signs_in_consents_and_initializes(
    site: Deployment, connected: Connected, revision: str
) -> None:
    storage = Storage()
    async with Browser("alice") as browser, connected(browser=browser, storage=storage) as client:
        assert client.protocol_version == revision
        assert client.server_info
        assert client.server_info.name == "everything-server"
        assert client.instructions
        assert client.server_capabilities.tools
    sign_in_page, consent_page = browser.pages
    assert "Who are you?" in sign_in_page
    assert "Test client" in consent_page
    assert storage.client
    assert storage.client.client_id
    assert storage.tokens
    assert storage.tokens.refresh_token
    assert storage.tokens.scope == "mcp offline_access"


@every_revision
async def test_a_clients_requests_are_spread_over_both_processes(
    site: Deployment, connected: Connected
) -> None:
    before = [_requests(server.log) for server in site.servers]
    async with connected() as client:
        for number in range(4):
            assert text_of(await client.call_tool("echo", {"message": str(number)})) == f"Echo: {number}"
    after = [_requests(server.log) for server in site.servers]
    assert all(b - a >= 2 for a, b in zip(before, after, strict=True))


@in_both_modes
@every_revision
async def test_every_tool_can_be_called_all_of_them_at_once(connected: Connected, revision: str) -> None:
    person = Person()
    results: dict[str, CallToolResult | MCPError] = {}

    async def call(client: Client, name: str) -> None:
        try:
            results[name] = await client.call_tool(name, CALLS[name].arguments)
        except MCPError as error:
            results[name] = error

    async with connected(**person.callbacks) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == listed_at(revision), "tests/e2e/tools.py has a call for every tool"
        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(call, client, name)
    for name, result in results.items():
        expected = CALLS[name]
        if expected.refused:
            assert isinstance(result, MCPError) or result.is_error, name
        else:
            assert isinstance(result, CallToolResult), f"{name}: {result}"
            assert bool(result.is_error) is expected.fails, f"{name}: {text_of(result)}"
            assert expected.text in text_of(result), name
    assert {"sampling", "roots"} <= set(person.asked)
    assert "elicitation" in person.asked or revision < ELICITATION


@every_revision
async def test_a_note_is_created_read_edited_and_deleted(connected: Connected, revision: str) -> None:
    async with connected() as client:
        created = await client.call_tool("create-note", {"title": "Milk", "text": "Two bottles."})
        assert isinstance(created.content[1], ResourceLink if revision >= "2025-06-18" else TextContent)
        uri = created.structured_content["uri"]
        note = {"noteId": uri.rpartition("/")[2]}
        await client.call_tool("edit-note", {**note, "text": "Three bottles."})
        (contents,) = (await client.read_resource(uri)).contents
        assert isinstance(contents, TextResourceContents)
        assert "Three bottles." in contents.text
        assert "Deleted" in text_of(await client.call_tool("delete-note", note))
        with pytest.raises(MCPError):
            await client.read_resource(uri, cache_mode="bypass")


@every_revision
async def test_every_resource_is_listed_in_pages_of_ten_and_can_be_read(connected: Connected) -> None:
    async with connected() as client:
        page = await client.list_resources()
        pages = [page.resources]
        while page.next_cursor:
            page = await client.list_resources(cursor=page.next_cursor)
            pages.append(page.resources)
        assert {len(resources) for resources in pages[:-1]} == {10}
        uris = [str(resource.uri) for resources in pages for resource in resources]
        assert len(uris) == len(set(uris))
        assert {f"test://static/resource/{number}" for number in range(1, 101)} < set(uris)
        assert "ui://hello-world/app.html" in uris
        for uri in uris:
            (contents,) = (await client.read_resource(uri)).contents
            assert str(contents.uri) == uri
            assert contents.text if isinstance(contents, TextResourceContents) else contents.blob
        with pytest.raises(MCPError, match="test://static/resource/101"):
            await client.read_resource("test://static/resource/101")


@every_revision
async def test_text_and_binary_resources_take_turns(connected: Connected) -> None:
    async with connected() as client:
        (odd,) = (await client.read_resource("test://static/resource/1")).contents
        (even,) = (await client.read_resource("test://static/resource/2")).contents
    assert isinstance(odd, TextResourceContents)
    assert odd.text == "Resource 1: This is a plaintext resource"
    assert isinstance(even, BlobResourceContents)


PROMPT_ARGUMENTS = {"temperature": "0.7", "style": "formal", "resourceId": "3", "resourceUri": "test://any"}


@every_revision
async def test_every_prompt_can_be_got(connected: Connected) -> None:
    async with connected(**Person().callbacks) as client:
        prompts = (await client.list_prompts()).prompts
        assert {"simple_prompt", "complex_prompt", "resource_prompt"} <= {prompt.name for prompt in prompts}
        for prompt in prompts:
            arguments = {a.name: PROMPT_ARGUMENTS.get(a.name, "hello") for a in prompt.arguments or []}
            if prompt.name == "test_input_required_result_prompt" and client.protocol_version != MODERN:
                continue  # a prompt could not ask before
            assert (await client.get_prompt(prompt.name, arguments)).messages, prompt.name


@every_revision
async def test_arguments_are_completed(connected: Connected) -> None:
    async with connected() as client:
        style = await client.complete(
            PromptReference(type="ref/prompt", name="complex_prompt"), {"name": "style", "value": "f"}
        )
        (template, *_) = (await client.list_resource_templates()).resource_templates
        number = await client.complete(
            ResourceTemplateReference(type="ref/resource", uri=template.uri_template),
            {"name": "id", "value": "9"},
        )
    assert style.completion.values == ["formal", "friendly"]
    assert number.completion.values == ["9", *(str(n) for n in range(90, 100))]


@every_revision
async def test_progress_is_reported_to_the_call_it_belongs_to(connected: Connected) -> None:
    heard: list[tuple[float, float | None]] = []

    async def heard_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total))

    async with connected() as client:
        await client.call_tool(
            "longRunningOperation", {"duration": 0.3, "steps": 3}, progress_callback=heard_progress
        )
    assert heard == [(1, 3), (2, 3), (3, 3)]


@every_revision
async def test_a_cancelled_call_stops_at_the_server(site: Deployment, connected: Connected) -> None:
    started = anyio.Event()

    async def heard_progress(progress: float, total: float | None, message: str | None) -> None:
        started.set()

    unlogged = _unlogged(site)  # other tests may have asked a server without its proxy
    others = _running_calls(site)  # a Redis server may have other users
    async with connected() as client:
        async with anyio.create_task_group() as tasks:
            arguments = {"duration": 120, "steps": 1000}
            tasks.start_soon(
                partial(client.call_tool, "longRunningOperation", arguments, progress_callback=heard_progress)
            )
            await started.wait()
            assert client.protocol_version == MODERN or _running_calls(site) > others
            tasks.cancel_scope.cancel()
        if client.protocol_version == MODERN:
            # The call is its request, which ends with its connection.
            await _until(lambda: _unlogged(site) <= unlogged)
        else:
            await _until(lambda: _running_calls(site) <= others)
        assert text_of(await client.call_tool("echo", {"message": "still here"})) == "Echo: still here"


@handshake_revisions
async def test_log_messages_are_sent_from_the_set_level_on(connected: Connected) -> None:
    heard: list[Any] = []

    async def log(params: LoggingMessageNotificationParams) -> None:
        heard.append(params.data)

    async with connected(logging_callback=log) as client:
        await client.set_logging_level("error")
        await client.call_tool("test_logging_tool")
        await _until(lambda: "An error message" in heard)
        assert heard == ["An error message"]
        await client.set_logging_level("debug")
        await client.call_tool("test_logging_tool")
        await _until(lambda: heard.count("An error message") == 2)
        assert {"A debug message", "An info message"} <= set(heard)


@pytest.mark.parametrize("revision", [MODERN])
async def test_a_request_states_the_level_of_its_log_messages(connected: Connected) -> None:
    heard: list[Any] = []

    async def log(params: LoggingMessageNotificationParams) -> None:
        heard.append(params.data)

    async with connected(logging_callback=log, log_level="info") as client:
        await client.call_tool("test_logging_tool")
        await _until(lambda: "An error message" in heard)
    async with connected(logging_callback=log) as client:
        await client.call_tool("test_logging_tool")
    assert heard == ["An info message", "An error message"]


@handshake_revisions
async def test_a_change_of_a_list_is_notified(connected: Connected) -> None:
    heard: list[Any] = []

    async def message(received: Any) -> None:
        heard.append(received)

    async with connected(message_handler=message) as client:
        await client.call_tool("test_trigger_tool_change")
        await _until(lambda: any(isinstance(one, ToolListChangedNotification) for one in heard))


async def test_the_simulated_changes_of_a_subscribed_resource_are_notified(site: Deployment) -> None:
    heard: dict[str, set[str]] = {revision: set() for revision in HANDSHAKE}

    async def watch(revision: str) -> None:
        async def message(received: Any) -> None:
            if isinstance(received, ResourceUpdatedNotification):
                heard[revision].add(str(received.params.uri))

        async with connect(site.mcp_url, revision, message_handler=message) as client:
            await client.subscribe_resource("test://static/resource/1")
            await client.subscribe_resource("test://static/resource/2")
            await client.unsubscribe_resource("test://static/resource/2")
            await _until(lambda: bool(heard[revision]))  # an update every ten seconds

    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            for revision in HANDSHAKE:  # at once, since it takes its time
                tasks.start_soon(watch, revision)
    assert heard == {revision: {"test://static/resource/1"} for revision in HANDSHAKE}


@pytest.mark.parametrize("revision", [MODERN])
async def test_a_listener_is_notified_of_changes_at_another_process(connected: Connected) -> None:
    async with connected() as client, client.listen(tools_list_changed=True) as subscription:
        assert subscription.honored.tools_list_changed
        for _ in range(2):  # one call on each process
            await client.call_tool("test_trigger_tool_change")
            assert type(await anext(aiter(subscription))).__name__ == "ToolsListChanged"


def _requests(log: str) -> int:
    """How many requests a log tells of."""
    return log.count('"logger":"everything_site.requests"')


def _unlogged(site: Deployment) -> int:
    """How many requests the proxy has seen that no log tells of yet, plus a constant."""
    return site.proxy.requests - sum(_requests(server.log) for server in site.servers)


def _running_calls(site: Deployment) -> set[bytes]:
    with redis.Redis.from_url(site.installation.environment["REDIS_URL"]) as client:
        return set(client.scan_iter("mcp:calls:*"))


async def _until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        await anyio.sleep(0.05)
