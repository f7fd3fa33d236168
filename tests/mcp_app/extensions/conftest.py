"""Two processes with a few tools, on one Redis."""

import asyncio
from contextlib import suppress

import pytest
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import (
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ToolAnnotations,
)
from redis.asyncio import Redis

from everything_site.demo.server import task_tools
from mcp_app.coordination.leases import Leases
from mcp_app.extensions.tasks.support import TaskSupport

from .support import WAIT, Hub, Process


def question(text):
    return ElicitRequest(
        params=ElicitRequestFormParams(message=text, requested_schema={"type": "object", "properties": {}})
    )


class Toolbox:
    """The tools of the tests. A gate blocks some of them; counts record how often each started and ended."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.began = []
        self.ended = []
        self.cancelled = asyncio.Event()
        self.has_begun = asyncio.Event()

    async def until_begun(self, count):
        """Wait until so many runs have started."""
        async with asyncio.timeout(WAIT):
            while len(self.began) < count:
                self.has_begun.clear()
                await self.has_begun.wait()

    async def _work(self, name):
        self.began.append(name)
        self.has_begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.ended.append(name)
        return f"{name} is done"

    async def careful(self) -> str:
        """Can be repeated"""
        return await self._work("careful")

    async def once(self) -> str:
        """Must not be repeated"""
        return await self._work("once")

    async def says_much(self, size: int, text: str = "x") -> str:
        """Returns a long text"""
        return text * size

    async def at_once(self) -> str:
        """Does not wait"""
        return "at once"

    async def short_lived(self) -> str:
        """Is forgotten soon"""
        return "soon forgotten"

    async def fails(self) -> str:
        """Fails as a tool"""
        raise ToolError("it failed")

    async def breaks(self) -> str:
        """Fails as a request"""
        raise MCPError(-32000, "it broke", {"why": "because"})

    async def breaks_at_length(self, size: int) -> str:
        """Fails as a request, with many words"""
        raise MCPError(-32000, "x" * size)

    async def only_task(self) -> str:
        """Runs only as a task"""
        return "a task"

    async def reports(self, ctx: Context) -> str:
        """Says how far it is"""
        await ctx.report_progress(1, 2, "half way")
        return await self._work("reports")

    async def reports_much(self, ctx: Context) -> str:
        """Says at length how far it is"""
        await ctx.report_progress(1, 2, "x" * 100_000)
        return await self._work("reports_much")

    async def asks_much(self, ctx: Context, size: int) -> str | InputRequiredResult:
        """Asks a long question"""
        if ctx.input_responses:
            return "answered"
        return InputRequiredResult(input_requests={"long": question("x" * size)})

    async def asks_two(self, ctx: Context) -> str | InputRequiredResult:
        """Asks two questions at once"""
        given = ctx.input_responses or {}
        missing = {key: question(key) for key in ("first", "second") if key not in given}
        if missing:
            return InputRequiredResult(input_requests=missing)
        return " and ".join(given[key].content["text"] for key in ("first", "second"))

    async def asks_again(self, ctx: Context) -> str | InputRequiredResult:
        """Asks until the answer is yes; carries a state"""
        answer = (ctx.input_responses or {}).get("sure")
        if answer is not None and answer.content == {"text": "yes"}:
            return f"state {ctx.request_state}"
        return InputRequiredResult(input_requests={"sure": question("Sure?")}, request_state="kept")

    async def asks_before(self, ctx: Context) -> str:
        """Asks before it is a task"""
        return f"hello {ctx.input_responses['name'].content['text']}"

    def register(self, server):
        for function in (
            self.careful,
            self.at_once,
            self.says_much,
            self.short_lived,
            self.fails,
            self.breaks,
            self.breaks_at_length,
            self.only_task,
            self.reports,
            self.reports_much,
            self.asks_much,
            self.asks_two,
            self.asks_again,
            self.asks_before,
        ):
            server.add_tool(
                function, annotations=ToolAnnotations(idempotent_hint=True), structured_output=False
            )
        server.add_tool(self.once, structured_output=False)


async def ask_name(params, ctx):
    if "name" in (params.input_responses or {}):
        return None
    return InputRequiredResult(input_requests={"name": question("Who?")})


SUPPORT = {
    name: TaskSupport()
    for name in (
        *("careful", "once", "says_much", "fails", "breaks", "breaks_at_length", "reports", "reports_much"),
        *("asks_two", "asks_again", "asks_much"),
    )
} | {
    "only_task": TaskSupport(required=True),
    "asks_before": TaskSupport(first=ask_name),
    "short_lived": TaskSupport(ttl_seconds=120),
}


@pytest.fixture
async def redis(redis_server):
    async with Redis.from_url(redis_server, decode_responses=True) as client:
        yield client


@pytest.fixture
def toolbox():
    return Toolbox()


@pytest.fixture
async def make_process(redis, toolbox, settings, monkeypatch):
    """Creates processes that share a Redis, and have done so for a while; they are stopped at the end."""
    monkeypatch.setattr(Leases, "can_detect_death", True)
    hub, made = Hub(), []

    def make(lease_seconds=None):
        if lease_seconds is not None:
            settings.MCP_LEASE_SECONDS = lease_seconds
        process = Process(redis, hub, toolbox.register, SUPPORT)
        made.append(process)
        return process

    yield make
    for process in made:
        with suppress(Exception):
            await process.stop()


@pytest.fixture
async def demonstration(redis, monkeypatch):
    """One process with the tools and fixtures of the server itself, which do not wait."""
    monkeypatch.setattr("everything_site.demo.tools.tasks.STAGE_SECONDS", 0)
    monkeypatch.setattr("everything_site.demo.fixtures.tasks.JOB_SECONDS", 0)
    support = {name: how for name, how in task_tools(with_fixtures=True).items() if name != "draft-note"}
    process = Process(redis, Hub(), None, support)
    yield process
    await process.stop()


@pytest.fixture
async def here(make_process):
    return make_process()


@pytest.fixture
async def there(make_process):
    return make_process()
