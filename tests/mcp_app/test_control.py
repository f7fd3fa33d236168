"""What operators and other apps do from outside reaches the processes concerned."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import Any

import pytest
from channels.layers import get_channel_layer

from mcp_app import control
from mcp_app.auth.tokens import WITHDRAWN, checksum, grant_place, token_place
from mcp_app.coordination.bus import Bus, BusMessage
from mcp_app.coordination.connection import connect
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.leases import Leases
from mcp_app.extensions.tasks.store import TaskStore
from mcp_app.extensions.tasks.withdrawal import cancel_tasks
from tests.support.waiting import eventually


def _note(heard: list[str], name: str, message: BusMessage) -> None:
    heard.append(name)


async def test_a_revocation_reaches_the_processes_that_know_the_token_or_its_consent(
    redis_server: str,
) -> None:
    redis, layer = connect(redis_server), get_channel_layer()
    token, grant = secrets.token_hex(8), secrets.token_hex(8)
    places = {"token": token_place(checksum(token)), "grant": grant_place(grant), "another": token_place("x")}
    heard: list[str] = []
    buses = [Bus(layer) for _ in places]
    for bus, (name, place) in zip(buses, places.items(), strict=True):
        bus.on(WITHDRAWN, partial(_note, heard, name))
        await bus.start()
        await Directory(redis, bus).register(place, 5.0)
    try:
        await asyncio.to_thread(control.withdraw_tokens, [checksum(token), "unknown"], [grant])
        await eventually(lambda: sorted(heard) == ["grant", "token"])
    finally:
        for bus in buses:
            await bus.stop()
        await redis.delete(*places.values())
        await redis.aclose()
        await layer.flush()


def test_a_revocation_without_redis_is_logged_and_raises_no_error(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    control.withdraw_tokens([checksum("alice")])
    assert "could not notify other processes" in caplog.text


async def test_tasks_of_a_consent_are_cancelled_from_outside(redis_server: str) -> None:
    redis = connect(redis_server)
    store = TaskStore(redis, Directory(redis, Bus(get_channel_layer())), Leases(redis))
    grant = secrets.token_hex(8)
    task = await store.create("alice", "tool", {}, grant=grant)
    await asyncio.to_thread(cancel_tasks, [grant])
    found = await store.get(task.id)
    await redis.aclose()
    assert found is not None
    assert found.status == "cancelled"


def test_tasks_that_cannot_be_cancelled_are_logged_and_no_error(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    cancel_tasks(["of-alice"])
    assert "tasks of a withdrawn consent may run on" in caplog.text


def test_a_checksum_hides_the_token() -> None:
    assert checksum("alice") == checksum("alice")
    assert checksum("alice") != checksum("bob")
    assert "alice" not in checksum("alice")
    assert len(checksum("")) == 64
