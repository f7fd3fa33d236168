"""The orderly shutdown of a process, as its clients see it; SIGTERM itself is in tests/processes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcp_app.coordination import keys
from mcp_app.coordination.layer import channel_layer
from mcp_app.extensions.tasks.declaration import IDENTIFIER
from mcp_app.extensions.tasks.support import TaskSupport
from mcp_app.routing import mcp_application
from mcp_app.runtime import Stopped
from mcp_app.shutdown import hand_over
from tests.mcp_app.transports.support import (
    Held,
    Process,
    Session,
    call_held,
    modern,
    text_of,
    tool_call,
    within,
)
from tests.support.asgi import Http
from tests.support.waiting import eventually


@pytest.fixture
async def process(settings: Any) -> AsyncIterator[Process]:
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.NamedTokens"
    process = Process()
    yield process
    await process.stop()
    await channel_layer().flush()


class Stubborn:
    """Work that ignores every cancellation until the test lets it go."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.ended = asyncio.Event()

    def __len__(self) -> int:
        return 0

    async def drain(self) -> None:
        self.started.set()
        while not self.go.is_set():
            try:
                await self.go.wait()
            except BaseException:
                continue
        self.ended.set()

    async def tool(self) -> str:
        await self.drain()
        return "at last"

    @asynccontextmanager
    async def lifespan(self, server: Any) -> AsyncIterator[dict[str, Any]]:
        yield {}
        await self.drain()


@pytest.fixture
async def stubborn() -> AsyncIterator[Stubborn]:
    stubborn = Stubborn()
    yield stubborn
    stubborn.go.set()


@pytest.fixture
def hurry(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything may take only a moment."""
    settings.MCP_SHUTDOWN_GRACE_SECONDS = 0.0
    for name in (
        "calls.running._HAND_OVER_SECONDS",
        "calls.running._STOP_SECONDS",
        "extensions.tasks.runs._HAND_OVER_SECONDS",
        "shutdown._CLOSE_SECONDS",
    ):
        monkeypatch.setattr(f"mcp_app.{name}", 0.05)


@pytest.fixture
def end_of_process() -> Iterator[asyncio.Event]:
    """Set when the handler of SIGTERM is called that the server installed before the runtime started."""
    end = asyncio.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: end.set())
    yield end
    signal.signal(signal.SIGTERM, before)


@pytest.mark.quick
@pytest.mark.parametrize("kind", ["call of a session", "call without a session", "task"])
async def test_a_tool_that_ignores_its_cancellation_does_not_keep_its_process_from_ending(
    end_of_process: asyncio.Event,
    hurry: None,
    process: Process,
    stubborn: Stubborn,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    process.runtime.server.add_tool(stubborn.tool, name="stubborn", structured_output=False)
    params: dict[str, Any] = {"name": "stubborn", "arguments": {}}
    if kind == "call of a session":
        session = await Session.open(process)
        calling = asyncio.create_task(session.post(process, tool_call("stubborn")))
    elif kind == "task":
        process.tasks._tools = {"stubborn": TaskSupport()}
        knows_tasks: dict[str, Any] = {"extensions": {IDENTIFIER: {}}}
        calling = asyncio.create_task(modern(process, "tools/call", params, capabilities=knows_tasks))
    else:
        calling = asyncio.create_task(modern(process, "tools/call", params))
    await within(stubborn.started.wait())
    signal.raise_signal(signal.SIGTERM)
    await within(end_of_process.wait())
    assert not stubborn.ended.is_set()
    assert "handover failed" not in caplog.text
    assert "shutdown failed" not in caplog.text
    stubborn.go.set()
    await within(stubborn.ended.wait())
    await within(calling)


async def test_a_lifespan_that_does_not_end_does_not_keep_its_process_from_ending(
    end_of_process: asyncio.Event,
    hurry: None,
    process: Process,
    stubborn: Stubborn,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcp_app.shutdown._LEAVE_SECONDS", 0.3)
    process.runtime.server.session_manager.app.lifespan = stubborn.lifespan
    await process.runtime.start()
    signal.raise_signal(signal.SIGTERM)
    await within(end_of_process.wait())
    assert stubborn.started.is_set()
    assert not stubborn.ended.is_set()
    assert "shutdown failed" in caplog.text
    left = [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == "_leave"]
    stubborn.go.set()
    await within(asyncio.gather(*left))


async def test_a_part_that_ignores_its_cancellation_does_not_keep_the_others_from_being_handed_over(
    stubborn: Stubborn, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_app.shutdown._HAND_OVER_SECONDS", 0.05)
    await within(hand_over(stubborn))
    assert stubborn.started.is_set()
    assert "handover failed" in caplog.text


async def test_a_process_that_is_stopped_while_it_connects_serves_nothing_afterwards(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting, go_on = asyncio.Event(), asyncio.Event()
    register = process.runtime.processes.register

    async def slow() -> None:
        connecting.set()
        await go_on.wait()
        await register()

    monkeypatch.setattr(process.runtime.processes, "register", slow)
    starting = asyncio.create_task(process.runtime.start())
    await within(connecting.wait())
    stopping = asyncio.create_task(process.runtime.stop())
    done, _ = await asyncio.wait({stopping}, timeout=0.1)
    assert not done
    go_on.set()
    await within(stopping)
    for start in (starting, process.runtime.start()):
        with pytest.raises(Stopped):
            await within(start)
    assert await process.runtime.redis.zscore(keys.processes(), process.runtime.bus.address) is None


@pytest.mark.parametrize("wanted", [{"toolsListChanged": True}, {"resourcesListChanged": True}])
async def test_a_listen_stream_ends_with_the_answer_to_its_request(process: Process, wanted: Any) -> None:
    # Specification 2026-07-28, basic/patterns/subscriptions, "Graceful Closure".
    stream = await modern(process, "subscriptions/listen", {"notifications": wanted})
    acknowledged = await stream.next_message()
    assert process.runtime.drain
    await within(process.runtime.drain.drain())
    (last,) = [event.message async for event in stream.events()]
    assert last["id"] == 1
    assert last["result"]["resultType"] == "complete"
    key = "io.modelcontextprotocol/subscriptionId"
    assert last["result"]["_meta"][key] == acknowledged["params"]["_meta"][key] == 1


async def test_a_get_stream_ends_as_a_shutdown_begins_while_a_call_may_still_finish(process: Process) -> None:
    session = await Session.open(process)
    held = Held(process)
    call = await session.post(process, call_held())
    await call.next_event()
    stream = await session.listen(process)
    assert process.runtime.drain
    draining = asyncio.create_task(process.runtime.drain.drain())
    assert await stream.messages() == []
    assert not held.ended.is_set()
    held.go.set()
    await within(draining)
    assert held.ended.is_set()
    assert not held.was_cancelled


async def test_a_process_that_is_shutting_down_starts_no_listen_stream(process: Process) -> None:
    await process.runtime.start()
    assert process.runtime.drain
    await within(process.runtime.drain.drain())
    params = {"notifications": {"toolsListChanged": True}}
    response = await modern(process, "subscriptions/listen", params)
    assert (response.status, response.content_type) == (503, "application/json")
    assert int(response.headers["retry-after"]) > 0
    refusal = await response.json()
    assert (refusal["id"], refusal["error"]["code"]) == (1, -32603)


async def test_a_listen_stream_that_was_about_to_begin_ends_with_the_answer_to_its_request(
    process: Process,
) -> None:
    about_to_begin, go_on = asyncio.Event(), asyncio.Event()

    async def pause(ctx: Any, call_next: Any) -> Any:
        if ctx.method == "subscriptions/listen":
            about_to_begin.set()
            await go_on.wait()
        return await call_next(ctx)

    process.runtime.server.middleware.append(pause)
    held = Held(process)
    call = asyncio.create_task(modern(process, "tools/call", {"name": "held", "arguments": {}}))
    await within(held.started.wait())
    params = {"notifications": {"toolsListChanged": True}}
    listening = asyncio.create_task(modern(process, "subscriptions/listen", params))
    await within(about_to_begin.wait())
    assert process.runtime.drain
    draining = asyncio.create_task(process.runtime.drain.drain())
    await eventually(lambda: process.runtime.is_draining)
    go_on.set()
    stream = await listening
    assert (await stream.next_message())["method"] == "notifications/subscriptions/acknowledged"
    held.go.set()
    await within(draining)
    assert [message["id"] for message in await stream.messages()] == [1]
    assert "result" in await (await call).answer()


@pytest.mark.parametrize("quiet", [True, False])
async def test_a_call_without_a_session_that_does_not_finish_in_time_is_answered_with_an_error(
    process: Process, settings: Any, quiet: bool
) -> None:
    settings.MCP_SHUTDOWN_GRACE_SECONDS = 0.0
    held = Held(process)
    params = call_held(quiet=quiet)["params"]
    call = asyncio.create_task(modern(process, "tools/call", params, id=5))
    await within(held.started.wait())
    assert process.runtime.drain
    await within(process.runtime.drain.drain())
    response = await call
    answer = await response.answer()
    assert response.status == (503 if quiet else 200)
    assert (answer["id"], answer["error"]["data"]) == (5, {"reason": "worker_lost"})
    assert held.was_cancelled


async def test_a_task_that_is_running_at_shutdown_may_finish(process: Process) -> None:
    held = Held(process)
    process.tasks._tools = {"held": TaskSupport()}
    knows_tasks: dict[str, Any] = {"extensions": {IDENTIFIER: {}}}
    params = {"name": "held", "arguments": {}}
    made = await (await modern(process, "tools/call", params, capabilities=knows_tasks)).answer()
    task_id = made["result"]["taskId"]
    await within(held.started.wait())
    assert process.runtime.drain
    draining = asyncio.create_task(process.runtime.drain.drain())
    done, _ = await asyncio.wait({draining}, timeout=0.2)
    assert not done
    held.go.set()
    await within(draining)
    params = {"taskId": task_id}
    asked = await modern(process, "tasks/get", params, capabilities=knows_tasks, mcp_name=task_id)
    assert text_of((await asked.answer())["result"]) == "result"
    assert not held.was_cancelled


async def test_an_idle_process_exits_immediately(process: Process) -> None:
    await process.runtime.start()
    assert process.runtime.drain
    await within(process.runtime.drain.drain(), 1.0)


async def test_a_page_that_is_being_sent_has_as_much_time_as_a_call(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_app.shutdown._CLOSE_SECONDS", 0.0)
    await process.runtime.start()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def page(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    site = Http(mcp_application(page, runtime=process.runtime))
    asking = asyncio.create_task(site.request("GET", "/page"))
    await within(begun.wait())
    assert process.runtime.drain
    draining = asyncio.create_task(process.runtime.drain.drain())
    done, _ = await asyncio.wait({draining}, timeout=0.2)
    assert not done
    go_on.set()
    response = await within(asking)
    assert (response.status, response.headers["connection"]) == (200, "close")
    await within(draining)


@pytest.mark.parametrize(("version", "expected"), [("1.0", "close"), ("1.1", "close"), ("2", None)])
async def test_a_process_that_is_leaving_says_so_where_the_protocol_allows_it(
    process: Process, version: str, expected: str | None
) -> None:
    application = mcp_application(None, runtime=process.runtime)

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        await application({**scope, "http_version": version}, receive, send)

    await process.runtime.start()
    assert "connection" not in (await Http(asked).request("GET", "/healthz")).headers
    process.runtime.engine.is_draining = True
    assert (await Http(asked).request("GET", "/healthz")).headers.get("connection") == expected


@pytest.mark.parametrize(
    ("lame_duck", "version", "content_type", "expected"),
    [
        (10, "1.1", b"text/event-stream; charset=utf-8", "close"),
        (10, "1.1", b"application/json", None),
        (10, "2", b"text/event-stream; charset=utf-8", None),
        (0, "1.1", b"text/event-stream; charset=utf-8", None),
    ],
)
async def test_with_a_lame_duck_time_no_request_follows_an_event_stream_on_its_connection(
    process: Process, settings: Any, lame_duck: int, version: str, content_type: bytes, expected: str | None
) -> None:
    settings.MCP_LAME_DUCK_SECONDS = lame_duck

    async def page(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", content_type)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    application = mcp_application(page, runtime=process.runtime)

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        await application({**scope, "http_version": version}, receive, send)

    assert (await Http(asked).request("GET", "/page")).headers.get("connection") == expected
