"""The bus: who receives what, once, and what happens when the channel layer is lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from mcp_app.coordination import bus as module
from mcp_app.coordination.bus import CONFIRMED, ECHO, Bus
from mcp_app.coordination.layer import channel_layer
from tests.support.waiting import eventually

Open = Callable[[], Awaitable[Bus]]


class BrokenLayer:
    """A channel layer that never works."""

    async def send(self, *args: Any) -> None:
        raise RedisConnectionError("down")


class HangingLayer:
    """A channel layer that never answers."""

    async def send(self, *args: Any) -> None:
        await asyncio.Event().wait()


class SwallowingLayer:
    """A channel layer that loses a cancellation, as redis-py does with Python 3.11."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self.sending = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    async def send(self, *args: Any) -> None:
        self.sending.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async def receive(self, *args: Any) -> Any:
        try:
            return await self._layer.receive(*args)
        except asyncio.CancelledError:
            return await asyncio.Event().wait()


def _heard_by(bus: Bus, kind: str = "test") -> list[Any]:
    heard: list[Any] = []
    bus.on(kind, lambda message: heard.append(message["n"]))
    return heard


async def test_every_process_has_an_address_of_its_own(open_bus: Open) -> None:
    assert (await open_bus()).address != (await open_bus()).address


async def test_a_message_to_one_process_is_received_only_there(open_bus: Open) -> None:
    here, there = await open_bus(), await open_bus()
    heard_here, heard_there = _heard_by(here), _heard_by(there)
    await here.send(there.address, {"type": "test", "n": 1})
    await here.send(here.address, {"type": "test", "n": 2})
    assert heard_here == [2]
    await eventually(lambda: heard_there == [1])


async def test_a_message_is_handled_once_by_each_recipient_and_locally_without_delay(open_bus: Open) -> None:
    here, there, elsewhere = [await open_bus() for _ in range(3)]
    heard_here, heard_there, heard_elsewhere = map(_heard_by, (here, there, elsewhere))
    for n in range(3):
        await here.publish([here.address, there.address, there.address], {"type": "test", "n": n})
        assert heard_here == list(range(n + 1))
    await eventually(lambda: heard_there == [0, 1, 2])
    await there.publish([here.address, elsewhere.address], {"type": "test", "n": 3})
    await eventually(lambda: heard_here == [0, 1, 2, 3])
    await eventually(lambda: heard_elsewhere == [3])
    assert heard_there == [0, 1, 2, 3]


async def test_a_change_waits_until_all_processes_concerned_have_handled_it(open_bus: Open) -> None:
    here, there, elsewhere = [await open_bus() for _ in range(3)]
    heard_there, heard_elsewhere = _heard_by(there), _heard_by(elsewhere)
    await here.publish([here.address, there.address], {"type": "test", "n": 1}, confirm=True)
    assert heard_there == [1]
    assert heard_elsewhere == []


async def test_a_change_that_concerns_no_other_process_does_not_wait(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CONFIRM_SECONDS", 60.0)
    heard = _heard_by(bus)
    async with asyncio.timeout(5):
        await bus.publish([], {"type": "test", "n": 1}, confirm=True)
        await bus.publish([bus.address], {"type": "test", "n": 2}, confirm=True)
    assert heard == [1, 2]


@pytest.mark.parametrize("lost", ["test", CONFIRMED])
async def test_a_change_does_not_wait_long_for_a_missing_acknowledgement(
    open_bus: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, lost: str
) -> None:
    monkeypatch.setattr(module, "_CONFIRM_SECONDS", 0.05)
    here, there = await open_bus(), await open_bus()
    channel_layer().loses = lost
    async with asyncio.timeout(5):
        await here.publish([there.address], {"type": "test", "n": 1}, confirm=True)
    channel_layer().loses = None
    assert "no acknowledgement in time" in caplog.text
    assert here._unconfirmed == {}


async def test_nothing_waits_again_for_a_process_that_did_not_acknowledge_until_it_does(
    open_bus: Open, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.MCP_LEASE_SECONDS = 1000.0
    here, there, third = await open_bus(), await open_bus(), await open_bus()
    heard_there, heard_by_third = _heard_by(there), _heard_by(third)
    await there.stop()
    monkeypatch.setattr(module, "_CONFIRM_SECONDS", 0.05)

    async def publish(n: int, *others: Bus) -> None:
        async with asyncio.timeout(10):
            addresses = [other.address for other in others]
            await here.publish(addresses, {"type": "test", "n": n}, confirm=True)

    await publish(1, there)
    monkeypatch.setattr(module, "_CONFIRM_SECONDS", 1000.0)
    await publish(2, there, third)
    assert heard_by_third == [2], "one that lives is waited for"
    await there.start()

    async def has_acknowledged() -> bool:
        await publish(3, there)
        return here._presumed_dead() == set()

    await eventually(has_acknowledged)
    await publish(4, there, third)
    assert heard_there[-1] == 4


async def test_a_bus_stops_even_while_it_acknowledges_a_message(open_bus: Open) -> None:
    there = await open_bus()
    layer = SwallowingLayer(channel_layer())
    here = Bus(layer)
    await here.start()
    confirming = asyncio.create_task(there.publish([here.address], {"type": "test"}, confirm=True))
    await layer.sending.wait()
    async with asyncio.timeout(10):
        await here.stop()
    await confirming


async def test_a_bus_stops_although_its_layer_swallowed_the_cancellation_and_keeps_waiting() -> None:
    bus = Bus(SwallowingLayer(channel_layer()))
    await bus.start()
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await bus.stop()


async def test_a_handler_that_fails_does_not_stop_other_messages(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    bus.on("test", lambda message: message["missing"])
    heard = _heard_by(bus)
    await bus.publish([], {"type": "test", "n": 1})
    assert heard == [1]
    assert "messages crashed" in caplog.text


@pytest.mark.parametrize("layer", [BrokenLayer(), HangingLayer()], ids=["broken", "hanging"])
async def test_a_message_that_cannot_be_sent_raises_no_error(
    layer: Any, settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MCP_REDIS_TIMEOUT_SECONDS = 0.01
    monkeypatch.setattr(module, "_CONFIRM_SECONDS", 0.01)
    caplog.set_level(logging.WARNING, logger=module.__name__)
    bus = Bus(layer)
    heard = _heard_by(bus)
    await bus.publish(["another"], {"type": "test", "n": 1})
    await bus.publish(["another"], {"type": "test", "n": 2}, confirm=True)
    await bus.send("another", {"type": "test", "n": 3})
    assert heard == [1, 2]
    assert caplog.text.count("processes lost") == 3


async def test_a_silent_bus_reconnects_with_the_same_address(
    open_bus: Open, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MCP_LEASE_SECONDS = 0.05
    here, there = await open_bus(), await open_bus()
    heard, address, layer = _heard_by(here), here.address, channel_layer()
    layer.loses = ECHO  # what it writes to itself is accepted, and never arrives

    async def is_opened_anew() -> bool:
        await here.check()
        return "channel layer silent" in caplog.text

    await eventually(is_opened_anew)
    layer.loses = None
    assert here.address == address

    async def is_heard() -> bool:
        await there.send(address, {"type": "test", "n": 1})
        return bool(heard)

    await eventually(is_heard)
    await there.send(address, {"type": "test", "n": 2})
    await eventually(lambda: heard[-1] == 2)
    assert heard.count(2) == 1


async def test_a_bus_that_receives_its_own_messages_keeps_its_connections(
    bus: Bus, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MCP_LEASE_SECONDS = 0.05
    began = time.monotonic()

    async def has_been_checked_for_longer_than_a_lease() -> bool:
        await bus.check()
        await eventually(lambda: bus._echo_sent_at is None)
        return time.monotonic() - began > 0.2

    await eventually(has_been_checked_for_longer_than_a_lease)
    assert "channel layer silent" not in caplog.text


@pytest.mark.parametrize(
    "sent",
    [
        b"\xc1",  # which msgpack never uses
        b"\xff\xfe",
        b"",
        b"\x93\x01",  # an array that is cut off
        b"\x92\x01\x02",  # [1, 2]
        b"\xc0",  # null
        b"\xa4text",  # a text
        b"\x80",  # {}
        b"\x81\xa4type\x91\xa4test",  # {"type": ["test"]}
        b"\x81\xa1n\x01",  # {"n": 1}
    ],
    ids=repr,
)
async def test_a_message_that_cannot_be_read_delays_no_other(
    open_bus: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    monkeypatch.setattr(module, "_RECEIVE_RETRY_SECONDS", 60.0)
    here, there = await open_bus(), await open_bus()
    heard = _heard_by(here)
    layer = channel_layer()
    with monkeypatch.context() as patched:
        patched.setattr(layer, "serialize", lambda message: sent)
        await there.send(here.address, {"type": "test", "n": 1})
    await there.send(here.address, {"type": "test", "n": 2})
    await eventually(lambda: heard == [2])
    assert "message of another process cannot be read" in caplog.text


async def test_a_message_of_a_type_that_only_a_later_release_knows_is_confirmed_and_ignored(
    open_bus: Open, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = await open_bus(), await open_bus()
    await there.publish([here.address], {"type": "of a later release", "n": 1}, confirm=True)
    assert not caplog.records


async def test_a_message_with_fields_of_a_later_release_is_handled(open_bus: Open) -> None:
    here, there = await open_bus(), await open_bus()
    heard = _heard_by(here)
    await there.publish([here.address], {"type": "test", "n": 1, "of_a_later_release": [1]}, confirm=True)
    assert heard == [1]
