"""The heartbeat: every part runs again and again, whatever happens to the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcp_app.coordination.heartbeat import Heartbeat
from mcp_app.exceptions import Store, Unavailable
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    settings.MCP_LEASE_SECONDS = 0.03
    settings.MCP_REDIS_TIMEOUT_SECONDS = 0.05


@asynccontextmanager
async def beating(heartbeat: Heartbeat) -> AsyncIterator[asyncio.Task[None]]:
    running = asyncio.create_task(heartbeat.run())
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.wait({running}, timeout=5)


class Part:
    """A part that counts its beats, and does something in each."""

    def __init__(self, fault: BaseException | None = None, *, hangs: bool = False) -> None:
        self.beats = 0
        self.fault = fault
        self.hangs = hangs

    async def __call__(self) -> None:
        self.beats += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault


@pytest.mark.parametrize(
    "bad",
    [
        Part(Unavailable(Store.SESSIONS, "down")),
        Part(TimeoutError()),
        Part(KeyError("of another release")),
        Part(asyncio.CancelledError()),  # as of a task that it awaited
        Part(hangs=True),
    ],
    ids=["redis", "time-out", "bug", "cancelled", "hangs"],
)
async def test_a_failing_part_stops_neither_the_others_nor_itself(bad: Part) -> None:
    heartbeat, before, after = Heartbeat(), Part(), Part()
    for name, part in (("before", before), ("bad", bad), ("after", after)):
        heartbeat.add(name, part)
    async with beating(heartbeat):
        await eventually(lambda: min(before.beats, bad.beats, after.beats) >= 3)


async def test_only_the_part_that_fails_is_tried_again_soon(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MCP_LEASE_SECONDS = 3000.0
    monkeypatch.setattr("mcp_app.coordination.heartbeat._RETRY_SECONDS", 0.01)
    heartbeat, good, bad = Heartbeat(), Part(), Part(Unavailable(Store.SESSIONS, "down"))
    heartbeat.add("good", good)
    heartbeat.add("bad", bad)
    await heartbeat.beat()
    async with beating(heartbeat):
        await eventually(lambda: bad.beats > 3)
    assert good.beats == 1


async def test_a_part_that_hangs_delays_no_other(settings: Any) -> None:
    settings.MCP_REDIS_TIMEOUT_SECONDS = 3000.0
    heartbeat, good, bad = Heartbeat(), Part(), Part(hangs=True)
    heartbeat.add("good", good)
    heartbeat.add("bad", bad)
    async with beating(heartbeat):
        await eventually(lambda: good.beats > 3)
    assert bad.beats == 1


async def test_an_outage_is_logged_when_it_begins_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="mcp_app.coordination.heartbeat")
    heartbeat, part = Heartbeat(), Part(Unavailable(Store.SESSIONS, "down"))
    heartbeat.add("leases", part)
    for _ in range(3):
        await heartbeat.beat()
    part.fault = None
    for _ in range(3):
        await heartbeat.beat()
    assert [record.message for record in caplog.records] == ["heartbeat failed", "heartbeat recovered"]
    assert {vars(record)["part"] for record in caplog.records} == {"leases"}


async def test_a_bug_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    heartbeat = Heartbeat()
    heartbeat.add("calls", Part(KeyError("a fault of ours")))
    await heartbeat.beat()
    assert "heartbeat part crashed" in caplog.text
    assert "a fault of ours" in caplog.text


async def test_it_ends_when_it_is_cancelled() -> None:
    heartbeat = Heartbeat()
    heartbeat.add("hangs", Part(hangs=True))
    async with beating(heartbeat) as running:
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running}, timeout=5)
        assert running.cancelled()
