"""Your own server: the one in the documentation, and invalid ones."""

from __future__ import annotations

import asyncio
import logging
import os
import pkgutil
import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp.types import Resource, ResourceTemplate

import mcp_app
from mcp_app.coordination.layer import channel_layer
from mcp_app.exceptions import Store, Unavailable
from mcp_app.resources import Person, PersonalResources, current_person
from mcp_app.server import Engine, Extension
from mcp_app.sessions.keys import person_data
from tests.docs.markdown import DOCS, blocks, code, rows
from tests.mcp_app.transports.support import OLDER, Process, Session, modern, request, text_of, tool_call
from tests.support.asgi import PATIENCE
from tests.support.engine import make_engine
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def mcp_settings(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("mcp_app.shutdown._HAND_OVER_SECONDS", 0.05)  # one of the extensions takes for ever
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.NamedTokens"
    settings.MCP_SERVER = f"{__name__}.build"
    return settings


@asynccontextmanager
async def serving() -> AsyncIterator[Process]:
    process = Process()
    try:
        yield process
    finally:
        await process.stop()
        await channel_layer().flush()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """The server of docs/your-own-server.md."""
    code = blocks("your-own-server.md", "python")[0]
    (tmp_path / "shop.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    settings.MCP_SERVER = "shop.build"


@pytest.mark.parametrize("revision", OLDER)
async def test_the_server_of_the_documentation_works_with_sessions(shop: None, revision: str) -> None:
    async with serving() as process:
        session = await Session.open(process, revision=revision)
        assert text_of(await session.call(process, "price", {"item": "pear"})) == "45"
        stream = await session.post(process, tool_call("stocktake", progress="p"))
        *progress, answer = await stream.messages()
        assert [message["params"]["progress"] for message in progress] == [1, 2]
        assert text_of(answer) == "2 kinds"
        unknown = await session.call(process, "prize")
        assert unknown["error"]["message"] == "Unknown tool: prize. Did you mean `price`?"
        listed = await (await session.post(process, request("tools/list"))).answer()
        assert [tool["name"] for tool in listed["result"]["tools"]] == ["price", "stocktake"]


async def test_the_server_of_the_documentation_works_without_sessions(shop: None) -> None:
    async with serving() as process:
        call = {"name": "price", "arguments": {"item": "pear"}}
        assert text_of(await (await modern(process, "tools/call", call)).answer()) == "45"
        listen = {"notifications": {"resourceSubscriptions": ["nope://x"], "toolsListChanged": True}}
        stream = await modern(process, "subscriptions/listen", listen)
        acknowledged = await stream.next_message()
        assert acknowledged["params"]["notifications"] == {"toolsListChanged": True}


class Basket(PersonalResources):
    """One resource for each user."""

    template = ResourceTemplate(uri_template="basket://{person}", name="Basket", mime_type="text/plain")

    def owns(self, uri: str) -> bool:
        return uri.startswith("basket://")

    async def list(self, person: Person) -> Any:
        return [("1", Resource(uri=f"basket://{person.subject}", name="Basket"))]

    async def read(self, person: Person, uri: str) -> str | None:
        return "an apple" if uri == f"basket://{person.subject}" else None


async def visits() -> int:
    """How often the person has called it, from any session."""
    person = current_person()
    count = int(await person.data.get("visits") or 0) + 1
    await person.data.set("visits", str(count).encode())
    return count


async def test_what_a_tool_keeps_for_a_person_is_there_in_every_process_session_and_revision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def build(engine: Engine) -> MCPServer[Any]:
        server = MCPServer("test", **engine.options())
        server.add_tool(visits)
        return server

    monkeypatch.setattr(sys.modules[__name__], "build", build)
    async with serving() as one, serving() as other:
        await one.runtime.start()
        await one.runtime.redis.delete(*(person_data(Person("", name).key) for name in ("alice", "bob")))
        alice, bob = await Session.open(one), await Session.open(other, "bob")
        assert text_of(await alice.call(one, "visits")) == "1"
        assert text_of(await alice.call(other, "visits")) == "2"
        call = {"name": "visits", "arguments": {}}
        assert text_of(await (await modern(other, "tools/call", call)).answer()) == "3"
        assert text_of(await bob.call(one, "visits")) == "1"


def test_nothing_is_kept_for_who_is_not_signed_in() -> None:
    with pytest.raises(ValueError, match="nobody is signed in"):
        _ = Person().data


PUBLISHES = """
import django
django.setup()
from mcp_app import notify
notify.publish("paid", {"order": 1})
"""


@pytest.mark.processes
async def test_a_worker_of_another_kind_wakes_the_processes_though_it_runs_no_engine(
    redis_server: str,
) -> None:
    """Such as a Celery worker or a management command."""
    environment = os.environ | {"TEST_REDIS_URL": redis_server}
    async with serving() as one, serving() as other:
        for process in (one, other):
            await process.runtime.start()
        with one.runtime.engine.bus.listen("paid") as here, other.runtime.engine.bus.listen("paid") as there:
            worker = await asyncio.create_subprocess_exec(sys.executable, "-c", PUBLISHES, env=environment)
            async with asyncio.timeout(60):
                assert await worker.wait() == 0
            for listener in (here, there):
                assert await listener.wait(PATIENCE) == {"order": 1}


class Keeping(Extension):
    """An extension whose background work keeps something for a person."""

    identifier = "example.com/keeping"

    def __init__(self) -> None:
        self.kept: bytes | None = None

    async def run(self) -> None:
        data = Person("", "alice").data
        await data.set("theme", b"dark")
        self.kept = await data.get("theme")


async def test_background_work_has_the_data_of_people_too(monkeypatch: pytest.MonkeyPatch) -> None:
    keeping = Keeping()
    use(keeping, monkeypatch)
    async with serving() as process:
        await process.runtime.start()
        await eventually(lambda: keeping.kept == b"dark")


class Clock(Extension):
    """An extension with a background task."""

    identifier = "example.com/clock"

    def __init__(self) -> None:
        self.is_running = False
        self.was_drained = False

    async def run(self) -> None:
        self.is_running = True
        try:
            await asyncio.Event().wait()
        finally:
            self.is_running = False

    async def drain(self) -> None:
        self.was_drained = True


class Faulty(Extension):
    """An extension that fails wherever it can."""

    identifier = "example.com/faulty"

    async def run(self) -> None:
        raise ValueError("it cannot run")

    async def drain(self) -> None:
        await asyncio.Event().wait()


def build(engine: Engine) -> MCPServer[Any]:
    return MCPServer("test", **engine.options(extensions=[Faulty(), Clock()], resources=[Basket()]))


def use(extension: Extension, monkeypatch: pytest.MonkeyPatch) -> None:
    """Build the server with this extension only."""

    def build_with(engine: Engine) -> MCPServer[Any]:
        return MCPServer("test", **engine.options(extensions=[extension]))

    monkeypatch.setattr(sys.modules[__name__], "build", build_with)


async def test_each_user_has_their_own_resources() -> None:
    async with serving() as process:
        alice, bob = await Session.open(process), await Session.open(process, "bob")
        for session, uri, is_there in (
            (alice, "basket://alice", True),
            (bob, "basket://alice", False),
            (bob, "basket://bob", True),
        ):
            for method in ("resources/read", "resources/subscribe"):
                answer = await (await session.post(process, request(method, {"uri": uri}))).answer()
                assert ("result" in answer) is is_there
                assert is_there or answer["error"]["code"] == -32002
        listed = await (await bob.post(process, request("resources/list"))).answer()
        assert [resource["uri"] for resource in listed["result"]["resources"]] == ["basket://bob"]
        templates = await (await bob.post(process, request("resources/templates/list"))).answer()
        [template] = templates["result"]["resourceTemplates"]
        assert template["uriTemplate"] == "basket://{person}"
        read = await (await modern(process, "resources/read", {"uri": "basket://alice"})).answer()
        assert (read["result"]["contents"][0]["text"], read["result"]["ttlMs"]) == ("an apple", 0)


async def test_an_extension_runs_as_long_as_its_process_and_a_faulty_one_affects_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as process:
        await process.runtime.start()
        _, clock = process.runtime.engine.extensions
        assert isinstance(clock, Clock)
        await eventually(lambda: clock.is_running)
    assert (clock.is_running, clock.was_drained) == (False, True)
    assert "extension crashed" in caplog.text
    assert "handover failed" in caplog.text


class Tidy(Extension):
    """An extension whose background work cleans up, which takes it a moment, or for ever."""

    identifier = "example.com/tidy"

    def __init__(self) -> None:
        self.is_running = asyncio.Event()
        self.may_finish = asyncio.Event()
        self.is_clean = False

    async def run(self) -> None:
        try:
            self.is_running.set()
            await asyncio.Event().wait()
        finally:
            await self.engine.redis.ping()
            await self.may_finish.wait()
            self.is_clean = True


@pytest.mark.parametrize("hangs", [False, True])
async def test_background_work_may_clean_up_but_does_not_prevent_a_shutdown(
    hangs: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidy = Tidy()
    use(tidy, monkeypatch)
    if hangs:
        monkeypatch.setattr("mcp_app.extension_work._CLEAN_UP_SECONDS", 0.1)
    else:
        tidy.may_finish.set()
    async with serving() as process:
        await process.runtime.start()
        await tidy.is_running.wait()
    assert tidy.is_clean is not hangs
    assert ("extension did not stop in time" in caplog.text) is hangs
    tidy.may_finish.set()


async def test_a_stopped_process_sends_its_clients_away() -> None:
    process = Process()
    session = await Session.open(process)
    await process.stop()
    response = await session.post(process, request("ping"))
    assert response.status == 503
    assert "shutting down" in (await response.json())["error"]["message"]
    await channel_layer().flush()


class Worker(Extension):
    """An extension with a worker that takes one piece of work after the other."""

    identifier = "example.com/worker"

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.may_finish = asyncio.Event()
        self.begun = self.finished = 0

    def __len__(self) -> int:
        return self.begun - self.finished

    async def run(self) -> None:
        while not self.engine.is_draining:
            self.begun += 1
            self.has_begun.set()
            await self.may_finish.wait()
            self.finished += 1


async def test_a_worker_finishes_what_it_does_before_the_process_ends_and_begins_nothing_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = Worker()
    use(worker, monkeypatch)
    async with serving() as process:
        await process.runtime.start()
        await worker.has_begun.wait()
        assert process.runtime.drain
        draining = asyncio.create_task(process.runtime.drain.drain())
        await eventually(lambda: process.runtime.is_draining)
        worker.may_finish.set()
        await draining
    assert (worker.begun, worker.finished) == (1, 1)


class Swallowing(Extension):
    """An extension whose background work loses its first cancellation, as redis-py may do on Python 3.11."""

    identifier = "example.com/swallowing"

    def __init__(self) -> None:
        self.is_running = asyncio.Event()
        self.is_clean = False

    async def run(self) -> None:
        with suppress(asyncio.CancelledError):
            self.is_running.set()
            await asyncio.Event().wait()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(100):
                await self.engine.redis.ping()
            self.is_clean = True


async def test_background_work_that_loses_its_cancellation_is_cancelled_again_and_may_clean_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extension = Swallowing()
    use(extension, monkeypatch)
    monkeypatch.setattr("mcp_app.extension_work._CLEAN_UP_SECONDS", 0.05)
    monkeypatch.setattr("mcp_app.extension_work._SECOND_CLEAN_UP_SECONDS", 10.0)
    async with serving() as process:
        await process.runtime.start()
        await extension.is_running.wait()
    assert extension.is_clean


class Failing(Extension):
    """An extension whose work fails some times, and then goes on; when it ends, it may fail again."""

    identifier = "example.com/failing"

    def __init__(self, *errors: BaseException, at_end: Exception | None = None) -> None:
        self.errors = errors
        self.at_end = at_end
        self.runs = 0

    async def run(self) -> None:
        self.runs += 1
        if self.runs <= len(self.errors):
            raise self.errors[self.runs - 1]
        try:
            await asyncio.Event().wait()
        finally:
            if self.at_end is not None:
                raise self.at_end


class Querying(Extension):
    """An extension whose background work loses its connection to the database once."""

    identifier = "example.com/querying"

    def __init__(self) -> None:
        self.runs = 0
        self.is_done = False

    async def run(self) -> None:
        self.runs += 1
        await User.objects.acount()
        if self.runs == 1:
            await sync_to_async(lambda: connection.connection.close())()
        await User.objects.acount()
        self.is_done = True


async def test_work_that_is_restarted_has_a_new_connection_to_the_database(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    querying = Querying()
    use(querying, monkeypatch)
    monkeypatch.setattr("mcp_app.coordination.outages.PAUSE_SECONDS", 0.01)
    async with serving() as process:
        await process.runtime.start()
        await eventually(lambda: querying.is_done)
    assert querying.runs == 2


AWAY = Unavailable(Store.DATABASE, "away")
BUG = ValueError("a bug")


@pytest.mark.parametrize(
    ("errors", "outages", "crashes"),
    [
        ([AWAY, AWAY], 1, 0),
        ([OperationalError("away"), AWAY], 1, 0),
        ([BUG, BUG], 0, 2),
        ([AWAY, BUG, AWAY], 2, 1),
        ([asyncio.CancelledError(), BUG], 0, 2),
    ],
    ids=["an outage", "an outage of the database", "a bug", "both", "awaiting what was cancelled"],
)
async def test_the_work_of_an_extension_is_restarted_after_a_failure_and_an_outage_is_logged_once(
    errors: list[BaseException],
    outages: int,
    crashes: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing = Failing(*errors)
    monkeypatch.setattr("mcp_app.coordination.outages.PAUSE_SECONDS", 0.01)
    use(failing, monkeypatch)
    async with serving() as process:
        await process.runtime.start()
        await eventually(lambda: failing.runs == len(errors) + 1)
    assert caplog.text.count("extension interrupted by an outage") == outages
    assert caplog.text.count("extension crashed") == crashes


async def test_work_that_ran_for_long_is_restarted_soon_however_often_it_crashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing = Failing(*[BUG] * 12)  # with ever longer pauses these would take 40 seconds
    monkeypatch.setattr("mcp_app.coordination.outages.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("mcp_app.extension_work.monotonic", count(step=61).__next__)
    use(failing, monkeypatch)
    async with serving() as process:
        await process.runtime.start()
        await eventually(lambda: failing.runs == 13)


@pytest.mark.parametrize(("error", "lines"), [(AWAY, 0), (BUG, 1)], ids=["an outage", "a bug"])
async def test_work_that_fails_as_it_ends_is_not_restarted(
    error: Exception, lines: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(at_end=error)
    use(failing, monkeypatch)
    async with serving() as process:
        await process.runtime.start()
        await eventually(lambda: failing.runs == 1)
    assert "extension did not stop in time" not in caplog.text
    assert caplog.text.count("extension crashed") == lines


def plain(engine: Engine) -> Any:
    return MCPServer("plain")


def nothing(engine: Engine) -> Any:
    engine.options()


def forgotten(engine: Engine) -> Any:
    engine.options()
    return MCPServer("forgotten")


def nameless(engine: Engine) -> Any:
    return MCPServer(**engine.options())


def beside(engine: Engine) -> Any:
    return MCPServer("beside", extensions=[Clock()], **engine.options())


def twice(engine: Engine) -> Any:
    engine.options()
    engine.options()


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (
            plain,
            r"plain built a server .* in a single process only.*MCPServer\('plain', \*\*engine.options\(\)\)",
        ),
        (forgotten, r"forgotten built .*: MCPServer\('forgotten', \*\*engine.options\(\)\)"),
        (nameless, r'nameless .* without a name.*: MCPServer\("my-server", \*\*engine.options\(\)\)'),
        (beside, r"'extensions'.*engine.options\(extensions="),
        (nothing, "nothing must return an MCPServer, not None"),
        (twice, "called twice"),
    ],
)
def test_a_factory_that_does_not_use_the_engine_is_refused(
    factory: Callable[[Engine], Any], sentence: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=sentence):
        make_engine().build(factory)


@pytest.mark.parametrize("error", [ValueError("too dear"), TypeError("not a number")])
def test_what_else_a_factory_raises_is_raised(error: Exception) -> None:
    def failing(engine: Engine) -> Any:
        raise error

    with pytest.raises(type(error), match=str(error)):
        make_engine().build(failing)


async def test_a_factory_passes_middleware_with_the_options() -> None:
    seen = []

    async def count(ctx: Any, call_next: Any) -> Any:
        seen.append(ctx.method)
        return await call_next(ctx)

    engine = make_engine()
    server = engine.build(lambda engine: MCPServer("counted", **engine.options(middleware=[count])))
    async with Client(server) as client:
        await client.list_tools()
    assert "tools/list" in seen


def test_the_logging_of_the_project_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", logging.WARNING)
    make_engine().build(lambda engine: MCPServer("loud", log_level="DEBUG", **engine.options()))
    assert (root.handlers, root.level) == ([], logging.WARNING)


def test_the_import_contract_lists_every_module_that_is_not_public() -> None:
    contracts = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    [forbidden] = [
        {name.removeprefix("mcp_app.") for name in contract["forbidden_modules"]}
        for contract in contracts
        if contract.get("source_modules") == ["everything_site.demo"]
    ]
    public = {
        code(row["Module of `mcp_app`"])[0] for row in rows("your-own-server.md", "Module of `mcp_app`")
    }
    modules = {module.name for module in pkgutil.iter_modules(mcp_app.__path__)} - {"migrations"}
    assert modules - forbidden == public
