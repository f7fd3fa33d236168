"""What a client is told when a handler fails: the same wherever the call runs."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp.server import ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from redis.exceptions import ConnectionError as RedisConnectionError

from mcp_app.exceptions import Refused, Store, Unavailable
from mcp_app.extensions.tasks.declaration import IDENTIFIER
from mcp_app.extensions.tasks.runs import TaskCall
from mcp_app.extensions.tasks.support import TaskSupport
from tests.mcp_app.transports.support import Process, Session, modern, tool_call
from tests.support.waiting import eventually

Handler = Callable[[ServerRequestContext[Any, Any]], Awaitable[Any]]

NAME = "fails"
TASKS: dict[str, Any] = {"extensions": {IDENTIFIER: {}}}

WAYS = ["json", "stream", "modern", "task"]
"""How a call is answered: in a session, at once or on a stream; without a session; as a task."""


class Failing:
    """A tool that does what a test wants, below the SDK's own handling of tools, called in one of `WAYS`."""

    def __init__(self, at: Process, session: Session, way: str) -> None:
        self._at = at
        self._session = session
        self._way = way
        self._act: Handler

        async def tool() -> str:
            return "never"

        async def act(ctx: Any, call_next: Any) -> Any:
            is_run = way != "task" or isinstance(ctx.request, TaskCall)
            if ctx.method != "tools/call" or not is_run:
                return await call_next(ctx)
            if way == "stream":
                await ctx.session.report_progress(1)
            return await self._act(ctx)

        server = at.runtime.server
        server.add_tool(tool, name=NAME, structured_output=False)
        server.middleware.append(act)
        at.tasks._tools = {**at.tasks._tools, NAME: TaskSupport()}

    async def call(self, act: Handler) -> tuple[int, dict[str, Any]]:
        """The status of the HTTP response, and the answer to the call."""
        self._act = act
        if self._way == "task":
            return await self._run_task()
        if self._way == "modern":
            response = await modern(self._at, "tools/call", {"name": NAME})
            return response.status, await response.answer()
        response = await self._session.post(self._at, tool_call(NAME, progress="p"))
        return response.status, await response.answer()

    async def _run_task(self) -> tuple[int, dict[str, Any]]:
        response = await modern(self._at, "tools/call", {"name": NAME}, capabilities=TASKS)
        task_id = (await response.json())["result"]["taskId"]
        found: dict[str, Any] = {}

        async def has_ended() -> bool:
            params = {"taskId": task_id}
            got = await modern(self._at, "tasks/get", params, capabilities=TASKS, mcp_name=task_id)
            found.update((await got.json())["result"])
            return found["status"] in ("completed", "failed")

        await eventually(has_ended)
        return 200, {key: found[key] for key in ("result", "error") if key in found}


@pytest.fixture(params=WAYS)
def failing(request: Any, one: Process, session: Session) -> Failing:
    return Failing(one, session, request.param)


@pytest.mark.parametrize(
    "fault", [TimeoutError, ConnectionRefusedError, RedisConnectionError], ids=lambda fault: fault.__name__
)
async def test_a_time_out_or_a_lost_connection_of_a_handlers_own_is_not_blamed_on_the_session_store(
    failing: Failing, fault: type[Exception]
) -> None:
    async def act(ctx: Any) -> Any:
        raise fault("weather.example did not answer")

    status, answer = await failing.call(act)
    assert status < 503
    assert answer["error"]["code"] == -32603
    assert answer["error"]["message"] == "Internal server error"


async def test_a_handler_that_awaits_a_cancelled_task_causes_an_internal_error(
    failing: Failing,
) -> None:
    async def act(ctx: Any) -> Any:
        waiting = asyncio.create_task(asyncio.Event().wait())
        waiting.cancel()
        await waiting

    _, answer = await failing.call(act)
    assert answer["error"] == {"code": -32603, "message": "Internal server error"}


async def test_a_result_that_is_not_json_is_an_internal_error(failing: Failing) -> None:
    async def act(ctx: Any) -> Any:
        return {"content": [{"type": "text", "text": "\ud83d"}]}

    _, answer = await failing.call(act)
    assert answer["error"] == {"code": -32603, "message": "The result cannot be serialized as JSON."}


@pytest.mark.parametrize("number", [math.nan, math.inf], ids=str)
async def test_a_number_that_json_does_not_have_is_null_in_a_result(failing: Failing, number: float) -> None:
    async def act(ctx: Any) -> Any:
        return {"content": [], "structuredContent": {"mean": number}}

    _, answer = await failing.call(act)
    assert answer["result"]["structuredContent"] == {"mean": None}


@pytest.mark.parametrize("revision", ["with sessions", "without"])
async def test_progress_is_only_reported_in_numbers_that_json_has(
    one: Process, session: Session, revision: str
) -> None:
    async def tool(ctx: Context) -> str:
        await ctx.report_progress(math.nan, 2)
        await ctx.report_progress(1, math.inf)
        return "done"

    one.runtime.server.add_tool(tool, name=NAME, structured_output=False)
    if revision == "without":
        stream = await modern(one, "tools/call", {"name": NAME, "_meta": {"progressToken": "p"}})
    else:
        stream = await session.post(one, tool_call(NAME, progress="p"))
    *reports, _ = await stream.messages()
    assert [report["params"] for report in reports] == [{"progressToken": "p", "progress": 1}]


@pytest.mark.parametrize(
    "data", [object(), "\ud83d", {"at": object()}], ids=["object", "surrogate", "nested"]
)
async def test_data_of_an_error_that_is_not_json_is_left_out(failing: Failing, data: Any) -> None:
    async def act(ctx: Any) -> Any:
        raise MCPError(-32050, "no weather", data)

    _, answer = await failing.call(act)
    assert answer["error"] == {"code": -32050, "message": "no weather"}


@pytest.mark.parametrize(
    ("error", "statuses", "code"),
    [
        (ToolError("no weather"), (200, 200), None),
        (MCPError(-32602, "no such city"), (200, 400), -32602),
        (MCPError(-32603, "no weather"), (200, 200), -32603),
        (Unavailable(Store.DATABASE, "gone"), (503, 503), -32603),
        (Refused("no weather"), (200, 200), None),
        (ZeroDivisionError(), (200, 200), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
@pytest.mark.quick
async def test_what_a_tool_raises_decides_the_status(
    one: Process, session: Session, error: Exception, statuses: tuple[int, int], code: int | None
) -> None:
    async def tool() -> str:
        raise error

    one.runtime.server.add_tool(tool, name=NAME, structured_output=False)
    in_session = await session.post(one, tool_call(NAME))
    without = await modern(one, "tools/call", {"name": NAME})
    assert (in_session.status, without.status) == statuses
    for response in (in_session, without):
        answer = await response.answer()
        assert answer.get("error", {}).get("code") == code
        assert answer.get("result", {}).get("isError", False) is (code is None)
