"""What operators and other apps do from outside reaches the processes concerned."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from redis.asyncio import Redis

from mcp_app import control
from mcp_app.auth.tokens import WITHDRAWN, checksum, grant_place, owner, token_place
from mcp_app.coordination.bus import Bus, BusMessage
from mcp_app.coordination.connection import connect
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.layer import channel_layer
from mcp_app.coordination.leases import Leases
from mcp_app.extensions.tasks.store import TaskStore
from mcp_app.extensions.tasks.withdrawal import cancel_tasks
from mcp_app.sessions import keys
from mcp_app.sessions.store import SESSION_ENDED, SessionStore, erase
from tests.support.waiting import eventually


def _note(heard: list[str], name: str, message: BusMessage) -> None:
    heard.append(name)


async def _channels(redis: Redis) -> set[bytes | str]:
    return set(await redis.pubsub_channels())


async def test_a_process_that_died_delays_a_revocation_only_briefly(
    redis_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    redis, token = connect(redis_server), secrets.token_hex(8)
    dead = Bus(channel_layer())
    dead.address = f"mcpprocess.{secrets.token_hex(16)}"
    await Directory(redis, dead).register(token_place(checksum(token)), 5.0)
    try:
        async with asyncio.timeout(10):
            await asyncio.to_thread(control.withdraw_tokens, [checksum(token)])
        assert "no acknowledgement in time" in caplog.text
    finally:
        await redis.delete(token_place(checksum(token)))
        await redis.aclose()


async def test_a_view_of_a_serving_process_may_withdraw_tokens(redis_server: str) -> None:
    """There, Django runs the coroutine in the event loop of the process, which has a bus of its own."""
    redis, layer, token = connect(redis_server), channel_layer(), secrets.token_hex(8)
    heard: list[str] = []
    bus = Bus(layer)
    bus.on(WITHDRAWN, partial(_note, heard, "here"))
    await bus.start()
    await Directory(redis, bus).register(token_place(checksum(token)), 5.0)
    before = await _channels(redis)
    try:
        await sync_to_async(control.withdraw_tokens)([checksum(token)])
        assert heard == ["here"]
        assert await _channels(redis) == before
    finally:
        await bus.stop()
        await redis.delete(token_place(checksum(token)))
        await redis.aclose()
        await layer.flush()


async def test_a_revocation_reaches_the_processes_that_know_the_token_or_its_consent(
    redis_server: str,
) -> None:
    redis, layer = connect(redis_server), channel_layer()
    token, grant = secrets.token_hex(8), secrets.token_hex(8)
    places = {"token": token_place(checksum(token)), "grant": grant_place(grant), "another": token_place("x")}
    heard: list[str] = []
    buses = [Bus(layer) for _ in places]
    for bus, (name, place) in zip(buses, places.items(), strict=True):
        bus.on(WITHDRAWN, partial(_note, heard, name))
        await bus.start()
        await Directory(redis, bus).register(place, 5.0)
    before = await _channels(redis)
    try:
        await asyncio.to_thread(control.withdraw_tokens, [checksum(token), "unknown"], [grant])
        assert sorted(heard) == ["grant", "token"], "when it returns, no process uses the token any more"
        assert await _channels(redis) == before, "and nothing listens for confirmations any more"
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


async def test_the_sessions_of_access_that_has_ended_end_and_those_of_others_do_not(
    redis_server: str,
) -> None:
    redis, layer = connect(redis_server), channel_layer()
    serving = Bus(layer)
    heard: list[str] = []
    serving.on(SESSION_ENDED, lambda message: heard.append(message["session"]))
    await serving.start()
    store = SessionStore(redis, serving)
    alice = secrets.token_hex(4)
    ids = {}
    for name, whose in {
        "first": ("editor", "https://as.example", alice),
        "second": ("editor", "https://as.example", alice),
        "another client": ("phone", "https://as.example", alice),
        "another issuer": ("editor", "https://other.example", alice),
        "another user": ("editor", "https://as.example", f"not {alice}"),
    }.items():
        record = SessionStore.new(owner(*whose), alice, whose[0])
        await store.create(record)
        ids[name] = record.id
    try:
        access = [("editor", "https://as.example", alice), ("unknown", "https://as.example", "nobody")]
        await asyncio.to_thread(control.end_sessions_of, access)
        await eventually(lambda: set(heard) == {ids["first"], ids["second"]})
        lives = [name for name, session_id in ids.items() if await redis.exists(keys.record(session_id))]
        assert lives == ["another client", "another issuer", "another user"]
    finally:
        for session_id in ids.values():
            await erase(redis, session_id)
        await serving.stop()
        await store.aclose()
        await redis.aclose()
        await layer.flush()


async def test_a_damaged_list_of_sessions_is_logged_and_keeps_nobody_elses_from_ending(
    redis_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    redis = connect(redis_server)
    store = SessionStore(redis, Bus(channel_layer()))
    alice, bob = (("editor", "https://as.example", secrets.token_hex(4)) for _ in range(2))
    record = SessionStore.new(owner(*bob), "bob", "editor")
    await store.create(record)
    await redis.set(keys.sessions_of(owner(*alice)), "no list", ex=60)
    try:
        await asyncio.to_thread(control.end_sessions_of, [alice, bob])
        assert not await redis.exists(keys.record(record.id))
        assert "sessions of withdrawn access may remain" in caplog.text
    finally:
        await erase(redis, record.id)
        await redis.delete(keys.sessions_of(owner(*alice)))
        await redis.aclose()


def test_sessions_that_cannot_be_ended_are_logged_and_no_error(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    control.end_sessions_of([("editor", "https://as.example", "alice")])
    assert "sessions of withdrawn access may remain" in caplog.text


async def test_tasks_of_a_consent_are_cancelled_from_outside(redis_server: str) -> None:
    redis = connect(redis_server)
    store = TaskStore(redis, Directory(redis, Bus(channel_layer())), Leases(redis))
    grant = secrets.token_hex(8)
    task = await store.create('["client",null,"alice"]', "tool", {}, grant=grant)
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
