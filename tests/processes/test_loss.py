"""Processes are killed with -9 while clients work: the official client only notices a pause."""

from __future__ import annotations

import asyncio
from typing import Any

import mcp.types as types
import pytest
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

from tests.mcp_app.transports.support import tool_call
from tests.processes.support import (
    LEASE_SECONDS,
    PATIENCE,
    Diary,
    Person,
    Site,
    pid_of,
    sdk_client,
)
from tests.support.processes import ServerProcess
from tests.support.waiting import eventually

OUTAGE_SECONDS = 1.5
"""As long as a server needs to start again."""

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{MCPDeprecationWarning.__module__}.{MCPDeprecationWarning.__name__}"
)


def text(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


async def test_a_lost_call_that_is_safe_to_repeat_is_re_run_and_the_official_client_gets_its_result(
    fleet: Site, diary: Diary
) -> None:
    heard: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with sdk_client(fleet.url, fleet.people["alice"]) as client:
        arguments = {"diary": str(diary.path), "seconds": 1.0, "steps": 4}
        call = asyncio.create_task(client.call_tool("harmless", arguments, progress_callback=on_progress))
        await diary.until_written()
        await eventually(lambda: heard)
        fleet.process_of(diary).kill()
        async with asyncio.timeout(PATIENCE):
            assert text(await call) == "done"
        assert text(await client.call_tool("echo", {"message": "on"})) == "Echo: on"
    assert len(set(diary.runs)) == 2, "it ran in two processes, once in each"
    assert heard[-1] == 4
    assert sorted(set(heard)) == [1, 2, 3, 4]


async def test_a_restart_costs_the_official_client_neither_its_call_nor_its_stream(
    fleet: Site, diary: Diary
) -> None:
    changes: list[Any] = []
    heard: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async def on_message(message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            changes.append(message)

    async with sdk_client(fleet.url, fleet.people["alice"], message_handler=on_message) as client:

        async def hears_of_changes() -> bool:
            await client.call_tool("test_trigger_tool_change")
            return bool(changes)

        await eventually(hears_of_changes)  # not before its GET stream is open
        arguments = {"diary": str(diary.path), "seconds": OUTAGE_SECONDS + 1, "steps": 2}
        call = asyncio.create_task(client.call_tool("harmful", arguments, progress_callback=on_progress))
        await eventually(lambda: heard)
        with fleet.front.outage():
            await asyncio.sleep(OUTAGE_SECONDS)
        async with asyncio.timeout(PATIENCE):
            assert text(await call) == "done"
        changes.clear()
        await eventually(hears_of_changes, within=PATIENCE)
    assert len(diary.runs) == 1


async def test_a_lost_call_that_is_not_safe_to_repeat_fails_with_the_reason(
    fleet: Site, diary: Diary
) -> None:
    async with sdk_client(fleet.url, fleet.people["alice"]) as client:
        arguments = {"diary": str(diary.path), "seconds": 60}
        call = asyncio.create_task(client.call_tool("harmful", arguments))
        await diary.until_written()
        await asyncio.wait({call}, timeout=0.5)  # by now it has become a stream, which can be resumed
        fleet.process_of(diary).kill()
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(MCPError, match="stopped or died before it could answer") as caught:
                await call
        assert caught.value.error.data == {"reason": "worker_lost"}
        assert text(await client.call_tool("echo", {"message": "on"})) == "Echo: on"
    assert len(diary.runs) == 1


async def test_no_stream_hangs_when_its_process_is_killed(fleet: Site, client_of: Any, diary: Diary) -> None:
    alice: Person = client_of(fleet.people["alice"])
    victim, survivor = fleet.servers
    session = await alice.open(victim.url)
    listening = await session.listen(victim.url)
    call = tool_call("harmful", {"diary": str(diary.path), "seconds": 60}, id="lost", progress=1)
    running = await session.post(victim.url, call)
    await running.next_message()
    victim.kill()
    for stream in (listening, running):
        await stream.blocks()
        assert stream.was_cut
    listening = await session.listen(survivor.url, listening.last_id)
    resumed = await session.get(survivor.url, running.last_id)
    async with asyncio.timeout(LEASE_SECONDS * 3):
        (answer,) = await resumed.messages()
    assert answer["id"] == "lost"
    assert answer["error"]["data"] == {"reason": "worker_lost"}
    await session.call(survivor.url, "test_trigger_tool_change")
    assert (await listening.next_message())["method"] == "notifications/tools/list_changed"
    with fleet.redis() as store:
        assert store.hlen(f"mcp:calls:{{{session.id}}}") == 0


async def test_a_session_continues_while_every_process_is_replaced(fleet: Site) -> None:
    """A rolling restart, half of it orderly and half not."""

    async def replace(server: ServerProcess, how: Any) -> None:
        before = pid_of(server)
        await asyncio.to_thread(how)
        await asyncio.to_thread(server.start)
        assert pid_of(server) != before

    async with sdk_client(fleet.url, fleet.people["alice"]) as client:
        answers: list[str] = []
        cut: list[str] = []
        done = False

        async def work() -> None:
            while not done or len(answers) < 2:
                arguments = {"duration": 0.6, "steps": 3}
                try:
                    answers.append(text(await client.call_tool("longRunningOperation", arguments)))
                    await client.call_tool("echo", {"message": "between"})
                except MCPError as error:
                    cut.append(error.error.message)

        working = asyncio.create_task(work())
        first, second = fleet.servers
        await replace(first, first.stop)
        await replace(second, second.kill)
        await eventually(lambda: len(answers) >= 2, within=PATIENCE)
        done = True
        async with asyncio.timeout(PATIENCE):
            await working
        assert text(await client.call_tool("echo", {"message": "same session"})) == "Echo: same session"
    assert set(answers) == {"Long running operation completed. Duration: 0.6 seconds, Steps: 3."}
    # A response that had not begun cannot be resumed; it is the proxy that says so, by 502. A process that
    # has finished its calls refuses new ones.
    assert set(cut) <= {"Server returned an error response", "This process is shutting down; retry."}
    assert len(cut) <= 2


async def test_a_call_that_is_lost_while_it_asks_the_client_asks_again(fleet: Site, diary: Diary) -> None:
    asked: list[str] = []

    async def sample(context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        content = params.messages[0].content
        assert isinstance(content, types.TextContent)
        asked.append(content.text)
        if len(asked) == 1:
            fleet.process_of(diary).kill()
        return types.CreateMessageResult(
            role="assistant", content=types.TextContent(type="text", text="42"), model="m"
        )

    async with sdk_client(fleet.url, fleet.people["bob"], sampling_callback=sample) as client:
        async with asyncio.timeout(PATIENCE):
            result = await client.call_tool("ask", {"diary": str(diary.path), "prompt": "6 x 7"})
        assert text(result) == "LLM response: 42"
    assert asked == ["6 x 7", "6 x 7"]
    assert len(set(diary.runs)) == 2
