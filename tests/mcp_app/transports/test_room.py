"""The machine room: what processes do is seen by whom it concerns and by nobody else, and stored nowhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcp_app.activity import MAX_PER_SECOND, Activity
from mcp_app.coordination import keys, quotas
from mcp_app.monitoring import room as module
from mcp_app.monitoring.room import TooManyWatchers, Watcher
from mcp_app.routing import mcp_application
from mcp_app.sessions import keys as module_keys
from tests.mcp_app.transports.support import Process, Session, headers_for, modern, tool_call
from tests.support.asgi import PATIENCE, Http, Response, not_found
from tests.support.waiting import eventually

FEED = "/try/room"
SLOW = tool_call("longRunningOperation", {"duration": 30, "steps": 60}, progress="p")
SAMPLE = tool_call("sampleLLM", {"prompt": "secret prompt"})


class View:
    """What somebody sees, as it arrives."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.messages: list[dict[str, Any]] = []
        self.text = ""

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for message in self.messages for event in message["events"]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    async def read(self) -> None:
        while (block := await self.response.next_block()) is not None:
            if block.data:
                self.text += block.data
                self.messages.append(json.loads(block.data))

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return [event for event in self.of(kind) if fields.items() <= event.items()]

        await eventually(found, within=PATIENCE)
        return found()[0]

    async def until_published_by(self, process: Process) -> None:
        life = process.runtime.bus.address[-6:]
        await eventually(
            lambda: any("state" in one and one["life"] == life for one in self.messages), within=PATIENCE
        )

    async def until_state(self, right: Callable[[Mapping[str, Any]], bool]) -> None:
        await eventually(
            lambda: any("state" in one and right(one["state"]) for one in self.messages), within=PATIENCE
        )


@asynccontextmanager
async def looking(at: Process, *others: Process, token: str = "alice") -> AsyncIterator[View]:
    """Look while the context is open, from when this process and the others publish."""
    http = Http(mcp_application(not_found, runtime=at.runtime, needs={}, room=FEED))
    response = await http.request("GET", FEED, headers=headers_for(token, accept="text/event-stream"))
    assert response.status == 200, await response.body()
    view = View(response)
    reading = asyncio.create_task(view.read())
    try:
        for process in (at, *others):
            await view.until_published_by(process)
        yield view
    finally:
        reading.cancel()
        await http.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.02)


@pytest.fixture(autouse=True)
async def nobody_watches_afterwards(one: Process) -> AsyncIterator[None]:
    """Else the processes of later tests would publish for as long as watchers are remembered."""
    yield
    await one.runtime.redis.delete(keys.room_watched())


async def test_what_a_call_does_at_two_processes_is_seen(
    one: Process, other: Process, session: Session
) -> None:
    await session.call(other, "echo", {"message": "so that it has started"})
    async with looking(one, other) as view:
        stream = await session.post(other, SAMPLE)
        asked = await stream.next_message()
        await view.until("request.start", method="tools/call", tool="sampleLLM")
        registered = await view.until("call.registered", method="tools/call")
        await view.until("log.append", session=session.id[:8], stream=registered["call"])
        await view.until("stream.open", listens=False)
        await view.until("question.asked", question="sampling/createMessage")
        await view.until_state(lambda state: any(call["tool"] == "sampleLLM" for call in state["calls"]))
        answer = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "secret answer"}}
        await session.post(one, {"jsonrpc": "2.0", "id": asked["id"], "result": answer})
        await view.until("question.answered", request=asked["id"][-6:])
        await view.until("call.settled", call=registered["call"])
        await view.until("request.end", outcome="result")
        await view.until("stream.closed")
        assert "secret" not in view.text
        assert session.id not in view.text
        assert asked["id"] not in view.text


async def test_a_wake_up_is_seen_where_it_is_sent_and_where_it_is_heard(
    one: Process, other: Process, session: Session
) -> None:
    stream = await session.post(one, SLOW)
    first = await stream.next_event()
    resumed = await session.get(other, first.id)
    async with looking(one, other) as view:
        await one.runtime.calls.beat()
        await view.until("call.renewed", session=session.id[:8])
        await view.until("wake.sent", session=session.id[:8])
        await view.until("wake.heard", session=session.id[:8])
    await resumed.drop()


async def test_a_call_that_is_taken_over_is_seen(
    one: Process, other: Process, session: Session, running_for_long: None
) -> None:
    stream = await session.post(one, SLOW)
    first = await stream.next_event()
    await session.call(other, "echo", {"message": "so that it has started"})
    async with looking(other) as view:
        [name] = await other.runtime.redis.hkeys(module_keys.calls(session.id))
        await other.runtime.redis.delete(module_keys.lease(session.id, str(name)))
        resumed = await session.get(other, first.id)
        await view.until("call.expired")
        assert (await view.until("call.taken"))["runs"] == 2
        await resumed.drop()


async def test_nobody_sees_what_others_do(one: Process, other: Process, session: Session) -> None:
    bob = await Session.open(other, "bob")
    async with looking(one, other, token="bob") as view:
        stream = await session.post(other, SAMPLE)
        await stream.next_message()
        await modern(other, "tools/call", {"name": "echo", "arguments": {"message": "a"}})
        await bob.call(other, "echo", {"message": "b"})
        await view.until("request.end", session=bob.id[:8])
        await view.until_state(lambda state: "queries" in state)
        assert session.id[:8] not in view.text
        assert "sampleLLM" not in view.text
        assert "person" not in view.text
        assert all(event["session"] == bob.id[:8] for event in view.events if "session" in event)


async def test_a_call_without_a_session_is_seen(one: Process) -> None:
    async with looking(one) as view:
        await modern(one, "tools/call", {"name": "echo", "arguments": {"message": "a"}})
        found = await view.until("request.start", tool="echo")
        assert "session" not in found


async def test_nothing_is_published_when_nobody_looks(
    one: Process, other: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WATCH_SECONDS", 1)
    redis = one.runtime.redis
    async with looking(one):
        pass
    for process in (one, other):
        await eventually(lambda: not process.runtime.bus.activity.watched, within=PATIENCE)  # noqa: B023
    async with redis.pubsub() as channel:
        await channel.subscribe(keys.room())
        await channel.get_message(timeout=PATIENCE)
        stream = await session.post(other, SAMPLE)
        await stream.next_message()
        await session.call(other, "echo", {"message": "a"})
        assert await channel.get_message(ignore_subscribe_messages=True, timeout=0.3) is None
    for process in (one, other):
        assert not process.runtime.observers.watch_calls, "calls are told to nobody"
        assert process.runtime.bus.activity.take() == ([], {}), "nothing is noted"
    assert await redis.ttl(keys.room_watched()) <= 1


async def test_a_process_that_starts_while_somebody_looks_is_seen_at_once(
    one: Process, start_process: Callable[[], Process], session: Session
) -> None:
    async with looking(one) as view:
        late = start_process()
        await late.runtime.start()
        life = late.runtime.bus.address[-6:]
        await eventually(lambda: any(message["life"] == life for message in view.messages), within=PATIENCE)
        await late.runtime.stop()
        await eventually(
            lambda: any(
                message["life"] == life and any(e["type"] == "process.gone" for e in message["events"])
                for message in view.messages
            ),
            within=PATIENCE,
        )


async def test_it_needs_a_token_and_refuses_other_sites(one: Process) -> None:
    http = Http(mcp_application(not_found, runtime=one.runtime, needs={}, room=FEED))
    assert (await http.request("GET", FEED, headers=headers_for(None))).status == 401
    assert (await http.request("POST", FEED, headers=headers_for())).status == 405
    evil = headers_for(origin="https://evil.example", accept="text/event-stream")
    assert (await http.request("GET", FEED, headers=evil)).status == 403
    assert (await http.request("GET", FEED, headers=headers_for(accept="text/html"))).status == 406
    await http.close()


async def test_it_counts_as_a_stream_and_too_many_are_refused(
    mcp_settings: Any, one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    mcp_settings.MCP_MAX_STREAMS = 1
    monkeypatch.setattr(quotas, "RECLAIM_SECONDS", 0.1)
    async with looking(one):
        http = Http(mcp_application(not_found, runtime=one.runtime, needs={}, room=FEED))
        refused = await http.request("GET", FEED, headers=headers_for(accept="text/event-stream"))
        assert refused.status == 429
        await http.close()


async def test_people_who_watch_take_no_places_of_operators(
    monkeypatch: pytest.MonkeyPatch, one: Process
) -> None:
    monkeypatch.setattr(module, "MAX_WATCHERS", 1)
    room = one.runtime.room
    async with looking(one), room.watching(None):
        http = Http(mcp_application(not_found, runtime=one.runtime, needs={}, room=FEED))
        refused = await http.request("GET", FEED, headers=headers_for(accept="text/event-stream"))
        assert refused.status == 503
        await http.close()
        with pytest.raises(TooManyWatchers):
            async with room.watching(None):
                pass


async def test_the_names_of_hosts_are_for_operators(mcp_settings: Any, one: Process) -> None:
    mcp_settings.MCP_SERVED_BY = False
    async with looking(one) as view:
        name = view.messages[0]["process"]
        async with one.runtime.room.watching(None) as operator:
            seen = await operator.next(PATIENCE)
    assert seen is not None
    assert seen["process"] != name
    assert seen["process"] not in view.text


@pytest.mark.parametrize(("person", "tools", "queries"), [("alice", ["a"], 2), ("carol", [], 0)])
async def test_of_the_state_of_a_process_everybody_sees_their_own(
    person: str, tools: list[str], queries: int
) -> None:
    calls = [{"person": "alice", "tool": "a"}, {"person": "bob", "tool": "b"}]
    state = {"calls": calls, "queries": [["alice", 2], ["bob", 3], [None, 4]]}
    viewer, operator = Watcher(person), Watcher(None)
    for watcher in (viewer, operator):
        watcher.put({"process": "p", "events": [], "state": state})
    seen, all_of_it = await viewer.next(PATIENCE), await operator.next(PATIENCE)
    assert seen is not None
    assert all_of_it is not None
    assert [call["tool"] for call in seen["state"]["calls"]] == tools
    assert seen["state"]["queries"] == queries
    assert [call["tool"] for call in all_of_it["state"]["calls"]] == ["a", "b"]
    assert all_of_it["state"]["queries"] == 9


async def test_whoever_watches_just_after_the_last_one_has_left_sees_everything(one: Process) -> None:
    await one.runtime.start()
    room = one.runtime.room
    async with room.watching(None) as first:
        assert await first.next(PATIENCE) is not None
    async with room.watching(None) as second:
        assert await second.next(PATIENCE) is not None


@pytest.mark.parametrize("odd", ["no JSON", "[]", '{"process": "p"}', '{"process": "p", "events": [{}]}'])
async def test_a_message_that_cannot_be_read_is_passed_over(one: Process, odd: str) -> None:
    async with looking(one) as view:
        await one.runtime.redis.publish(keys.room(), odd)
        seen = len(view.messages)
        await eventually(lambda: len(view.messages) > seen + 2, within=PATIENCE)
        assert all("state" in message or message["events"] for message in view.messages)


def test_of_very_much_only_the_number_is_told() -> None:
    activity = Activity()
    for _ in range(MAX_PER_SECOND * 2 + 10):
        activity.note("log.append", session="a" * 48, person="alice")
    notes, more = activity.take()
    assert MAX_PER_SECOND <= len(notes) <= MAX_PER_SECOND * 2
    assert len(notes) + more["log.append"] == MAX_PER_SECOND * 2 + 10
    assert {note["session"] for note in notes} == {"a" * 8}


def test_whose_a_session_is_is_known_from_an_earlier_note() -> None:
    activity = Activity()
    activity.note("log.append", session="s")
    activity.note("stream.open", session="s", person="alice")
    activity.note("log.append", session="s")
    assert [note["person"] for note in activity.take()[0]] == [None, "alice", "alice"]
