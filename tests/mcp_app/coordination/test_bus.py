"""The bus: who hears what, once, and what is done about a channel layer that is lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from channels.layers import get_channel_layer
from redis.exceptions import ConnectionError as RedisConnectionError

from mcp_app.coordination import bus as module
from mcp_app.coordination.bus import ECHO, EVERYONE, Bus
from mcp_app.exceptions import Unavailable
from tests.support.waiting import eventually

Open = Callable[[], Awaitable[Bus]]


class BrokenLayer:
    """A channel layer that never works."""

    async def group_add(self, *args: Any) -> None:
        raise RedisConnectionError("down")

    group_send = send = group_discard = group_add


class HangingLayer:
    """A channel layer that never answers."""

    async def group_add(self, *args: Any) -> None:
        await asyncio.Event().wait()

    group_send = send = group_discard = group_add


class PausedLayer:
    """A channel layer that waits at one of its methods until it may go on; all processes go to `EVERYONE`."""

    def __init__(self, layer: Any, at: str) -> None:
        self._layer = layer
        self._at = at
        self.waits = asyncio.Event()
        self.go_on = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._layer, name)

        async def paused(*args: Any) -> Any:
            if EVERYONE not in args:
                self.waits.set()
                await self.go_on.wait()
            return await method(*args)

        return paused if name == self._at else method


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


def _heard_by(bus: Bus, kind: str = "test") -> list[Any]:
    heard: list[Any] = []
    bus.on(kind, lambda message: heard.append(message["n"]))
    return heard


async def test_every_process_has_an_address_of_its_own(open_bus: Open) -> None:
    assert (await open_bus()).address != (await open_bus()).address


async def test_a_broadcast_is_heard_by_everyone_once_and_here_at_once(open_bus: Open) -> None:
    here, there = await open_bus(), await open_bus()
    heard_here, heard_there = _heard_by(here), _heard_by(there)
    for n in range(3):
        await here.broadcast({"type": "test", "n": n})
        assert heard_here == list(range(n + 1))
    await eventually(lambda: heard_there == [0, 1, 2])
    await there.broadcast({"type": "test", "n": 3})
    await eventually(lambda: heard_here == [0, 1, 2, 3])
    assert heard_there == [0, 1, 2, 3]


async def test_a_message_to_one_process_is_heard_there_alone(open_bus: Open) -> None:
    here, there = await open_bus(), await open_bus()
    heard_here, heard_there = _heard_by(here), _heard_by(there)
    await here.send(there.address, {"type": "test", "n": 1})
    await here.send(here.address, {"type": "test", "n": 2})
    assert heard_here == [2]
    await eventually(lambda: heard_there == [1])


async def test_a_message_to_a_session_is_heard_where_it_has_streams(open_bus: Open) -> None:
    here, there, elsewhere = [await open_bus() for _ in range(3)]
    heard_there, heard_elsewhere = _heard_by(there), _heard_by(elsewhere)
    for _ in range(2):
        await there.join("s")
    await there.leave("s")  # one stream of two
    await elsewhere.join("another")
    await here.send_to_session("s", {"type": "test", "n": 1})
    await eventually(lambda: heard_there == [1])
    await there.leave("s")
    await there.join("another")
    await here.send_to_session("s", {"type": "test", "n": 2})
    await here.send_to_session("another", {"type": "test", "n": 3})
    await eventually(lambda: heard_there == [1, 3] and heard_elsewhere == [3])


async def test_a_bus_that_is_stopped_while_it_confirms_a_message_stops(open_bus: Open) -> None:
    there = await open_bus()
    layer = SwallowingLayer(get_channel_layer())
    here = Bus(layer)
    await here.start()
    confirming = asyncio.create_task(there.broadcast_and_confirm({"type": "test"}, [here.address]))
    await layer.sending.wait()
    async with asyncio.timeout(10):
        await here.stop()
    await confirming


async def test_a_handler_that_fails_keeps_nobody_from_hearing(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    bus.on("test", lambda message: message["missing"])
    heard = _heard_by(bus)
    await bus.broadcast({"type": "test", "n": 1})
    assert heard == [1]
    assert "could not be handled" in caplog.text


@pytest.mark.parametrize("layer", [BrokenLayer(), HangingLayer()], ids=["broken", "hanging"])
async def test_a_message_that_cannot_be_sent_is_no_error(
    layer: Any, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MCP_REDIS_TIMEOUT_SECONDS = 0.01
    caplog.set_level(logging.WARNING, logger=module.__name__)
    bus = Bus(layer)
    heard = _heard_by(bus)
    await bus.broadcast({"type": "test", "n": 1})
    await bus.send_to_session("s", {"type": "test", "n": 2})
    await bus.send("another", {"type": "test", "n": 3})
    assert heard == [1, 2]
    assert caplog.text.count("was lost") == 3


@pytest.mark.parametrize("layer", [BrokenLayer(), HangingLayer()], ids=["broken", "hanging"])
async def test_joining_fails_in_time_and_can_be_tried_again(layer: Any, bus: Bus, settings: Any) -> None:
    settings.MCP_REDIS_TIMEOUT_SECONDS = 0.01
    bus._layer = layer
    for _ in range(2):  # had the first one counted, the second would not try
        with pytest.raises(Unavailable):
            await bus.join("s")


async def test_a_session_is_joined_only_when_it_is_heard_though_another_join_of_it_fails(
    bus: Bus,
) -> None:
    here = bus._layer
    bus._layer = layer = PausedLayer(BrokenLayer(), "group_add")
    failing = asyncio.create_task(bus.join("s"))
    await asyncio.wait_for(layer.waits.wait(), 5)
    joining = asyncio.create_task(bus.join("s"))
    await asyncio.sleep(0)
    bus._layer = here
    layer.go_on.set()
    with pytest.raises(Unavailable):
        await failing
    await joining
    heard = _heard_by(bus)
    await here.group_send("session.s", {"type": "test", "n": 1})
    await eventually(lambda: heard == [1])


async def test_a_mailbox_that_hears_nothing_any_more_is_opened_anew(
    open_bus: Open, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MCP_LEASE_SECONDS = 0.05
    here, there = await open_bus(), await open_bus()
    await here.join("s")
    heard = _heard_by(here)
    address = here.address
    layer = get_channel_layer()
    layer.loses = ECHO  # what it writes to itself is accepted, and never arrives

    async def is_opened_anew() -> bool:
        await here.check()
        return here.address != address

    await eventually(is_opened_anew)
    layer.loses = None
    assert "opened anew" in caplog.text
    await there.send_to_session("s", {"type": "test", "n": 1})
    await there.broadcast({"type": "test", "n": 2})
    await there.send(here.address, {"type": "test", "n": 3})
    await eventually(lambda: heard == [1, 2, 3])


async def test_a_mailbox_that_hears_itself_keeps_its_address(bus: Bus, settings: Any) -> None:
    settings.MCP_LEASE_SECONDS = 0.05
    address, began = bus.address, time.monotonic()

    async def has_been_checked_for_longer_than_a_lease() -> bool:
        await bus.check()
        await eventually(lambda: bus._unheard_since is None)
        return time.monotonic() - began > 0.2

    await eventually(has_been_checked_for_longer_than_a_lease)
    assert bus.address == address


@pytest.mark.parametrize("at", ["flush", "new_channel", "group_add"])
async def test_sessions_can_be_joined_and_left_while_the_mailbox_is_opened_anew(
    open_bus: Open, settings: Any, at: str
) -> None:
    here, there = await open_bus(), await open_bus()
    for session_id in ("stays", "leaves"):
        await here.join(session_id)
    heard = _heard_by(here)
    await _let_it_be_deaf(here, settings)
    here._layer = layer = PausedLayer(here._layer, at)
    checking = asyncio.create_task(here.check())
    await asyncio.wait_for(layer.waits.wait(), 5)
    changing = asyncio.gather(here.join("joins"), here.join("joins too"), here.leave("leaves"))
    await asyncio.sleep(0)
    layer.go_on.set()
    await checking
    await changing
    for n, session_id in enumerate(["leaves", "stays", "joins", "joins too"]):
        await there.send_to_session(session_id, {"type": "test", "n": n})
    await eventually(lambda: heard == [1, 2, 3])


async def test_joining_a_mailbox_that_could_not_be_opened_anew_fails_as_without_redis(
    open_bus: Open, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = await open_bus(), await open_bus()
    await _let_it_be_deaf(here, settings)
    with monkeypatch.context() as patched:
        patched.setattr(here._layer, "new_channel", BrokenLayer().send, raising=False)
        with pytest.raises(Unavailable):
            await here.check()
    with pytest.raises(Unavailable, match="bus"):
        await here.join("s")
    await here.check()
    await here.join("s")
    heard = _heard_by(here)
    await there.send_to_session("s", {"type": "test", "n": 1})
    await eventually(lambda: heard == [1])


async def test_a_message_that_cannot_be_read_does_not_end_the_hearing(
    open_bus: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    here, there = await open_bus(), await open_bus()
    heard = _heard_by(here)
    layer = get_channel_layer()
    with monkeypatch.context() as patched:
        patched.setattr(layer, "serialize", lambda message: b"\xc1")  # which msgpack never uses
        await there.send(here.address, {"type": "test", "n": 1})
    await there.send(here.address, {"type": "test", "n": 2})
    await eventually(lambda: heard == [2])
    assert "could not be read" in caplog.text


async def _let_it_be_deaf(bus: Bus, settings: Any) -> None:
    """The next check finds that what it wrote to itself has not arrived."""
    settings.MCP_LEASE_SECONDS = 0.0
    get_channel_layer().loses = ECHO
    await bus.check()
