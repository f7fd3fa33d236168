"""GET streams: several per session, each message on one of them, and nothing lost while there is none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sized
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest
from mcp.shared.subscriptions import ResourceUpdated, ToolsListChanged

from mcp_app.exceptions import Store, Unavailable
from mcp_app.server import ListeningSession
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import APPENDED
from mcp_app.sessions.events import PENDING
from tests.mcp_app.transports.support import (
    OLDER,
    Process,
    Session,
    headers_for,
    notification,
    request,
    tool_call,
    within,
)
from tests.support.asgi import Response
from tests.support.layers import LossyLayer
from tests.support.waiting import eventually

URI = "test://watched-resource"


async def _say(at: Process, session: Session, number: int) -> None:
    """Send the session a message that belongs to no call."""
    await at.runtime.log.append(session.id, PENDING, notification("notifications/n", {"n": number}))


async def _listen(at: Process, session: Session, last_event_id: str | None = None) -> Response:
    """Open a GET stream. After its first bytes, it is the one that gets messages."""
    stream = await session.listen(at, last_event_id)
    assert await stream.next_block() is not None
    return stream


def _has_grown(items: Sized, before: int) -> bool:
    return len(items) > before


async def _numbers(stream: Response, count: int) -> list[int]:
    return [(await stream.next_message())["params"]["n"] for _ in range(count)]


@pytest.mark.parametrize("revision", OLDER)
async def test_a_message_of_another_process_arrives(one: Process, other: Process, revision: str) -> None:
    session = await Session.open(one, revision=revision)
    stream = await _listen(one, session)
    await other.runtime.start()
    await _say(other, session, 1)
    assert await _numbers(stream, 1) == [1]


async def test_a_silent_stream_is_kept_alive_and_its_session_with_it(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_KEEP_ALIVE_SECONDS = 0.05
    stream = await _listen(one, session)
    await one.runtime.redis.expire(keys.owner(session.id), 10)
    for _ in range(3):
        block = await stream.next_block()
        assert block is not None
        assert block.comment == "keep-alive"

    async def is_renewed() -> bool:
        return await one.runtime.redis.ttl(keys.owner(session.id)) > 10

    await eventually(is_renewed)


async def test_messages_sent_while_nobody_listens_arrive_on_the_next_stream(
    one: Process, other: Process, session: Session
) -> None:
    for number in range(3):
        await _say(one, session, number)
    stream = await session.listen(other)
    assert await _numbers(stream, 3) == [0, 1, 2]
    await _say(one, session, 3)
    assert await _numbers(stream, 1) == [3]


async def test_a_message_goes_only_to_the_newest_stream(
    one: Process, other: Process, session: Session
) -> None:
    older = await _listen(one, session)
    newer = await _listen(other, session)
    for number in range(3):
        await _say(one, session, number)
    assert await _numbers(newer, 3) == [0, 1, 2]
    await session.delete(one)
    assert await older.messages() == []


@pytest.mark.quick
@pytest.mark.parametrize("kind", ["2025-11-25", "2025-03-26", "resumed", "HTTP+SSE"])
async def test_a_stream_has_the_claim_before_its_first_bytes(
    one: Process, session: Session, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "2025-03-26":
        session = await Session.open(one, revision=kind)
    resumed = None
    if kind == "resumed":
        earlier = await _listen(one, session)
        await _say(one, session, 1)
        resumed = (await earlier.next_event()).id
        await earlier.drop()
    take, reached, let = one.runtime.log.take, asyncio.Event(), asyncio.Event()

    async def held_up(*args: Any, **kwargs: Any) -> bool:
        reached.set()
        await let.wait()
        return await take(*args, **kwargs)

    monkeypatch.setattr(one.runtime.log, "take", held_up)
    headers = headers_for(accept="text/event-stream")
    opening = asyncio.create_task(
        one.http.request("GET", "/sse", headers=headers) if kind == "HTTP+SSE" else session.get(one, resumed)
    )
    await within(reached.wait())
    assert not any(response.started.is_set() for response in one.http.responses[-1:])
    let.set()
    stream = await opening
    first = await stream.next_block()
    session_id = session.id
    if kind == "HTTP+SSE":
        assert first is not None
        assert first.data is not None
        session_id = first.data.partition("sessionId=")[2]
    assert await one.runtime.redis.exists(keys.claim(session_id))


async def test_a_stream_that_could_not_take_the_claim_as_it_opened_never_takes_it_from_a_newer_one(
    one: Process, other: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*args: Any, **kwargs: Any) -> bool:
        raise Unavailable(Store.SESSIONS, "away")

    with monkeypatch.context() as trouble:
        trouble.setattr(one.runtime.log, "take", unreachable)
        older = await session.listen(one)
        assert await older.next_block() is not None
    newer = await _listen(other, session)
    for number in range(3):
        await _say(one, session, number)
    assert await _numbers(newer, 3) == [0, 1, 2]
    await newer.drop()
    await _say(one, session, 3)
    assert await _numbers(older, 1) == [3]


async def test_a_request_that_ends_before_its_first_bytes_leaves_no_claim_behind(
    one: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = await _listen(one, session)
    sending = asyncio.Event()

    async def send(self: Response, message: Any) -> None:
        sending.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as stalled:
        stalled.setattr(Response, "send", send)
        opening = asyncio.create_task(session.get(one))
        await within(sending.wait())
    task = one.http.responses.pop().task
    assert task is not None
    task.cancel()  # as a server does whose client has gone
    await asyncio.wait({task, opening})
    await _say(one, session, 1)
    assert await _numbers(older, 1) == [1]


async def test_when_the_newest_stream_ends_another_takes_over(
    one: Process, other: Process, session: Session
) -> None:
    older = await _listen(one, session)
    newer = await _listen(other, session)
    await _say(one, session, 1)
    assert await _numbers(newer, 1) == [1]
    await newer.drop()
    await _say(other, session, 2)
    assert await _numbers(older, 1) == [2]


async def test_when_the_process_of_the_newest_stream_dies_another_takes_over(
    one: Process, other: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_KEEP_ALIVE_SECONDS = 0.05
    older = await _listen(one, session)
    # What a process that was killed leaves behind: the claim, which it renews no more.
    await one.runtime.redis.set(keys.claim(session.id), "g" + "0" * 16, px=200)
    await _say(one, session, 1)
    mcp_settings.MCP_CACHE_SECONDS = 0.0
    await session.post(one, request("ping"))  # a busy session does not keep the claim alive
    assert await _numbers(older, 1) == [1]


async def test_a_resumed_stream_continues_where_it_left_off_and_then_live(
    one: Process, other: Process, session: Session
) -> None:
    stream = await _listen(one, session)
    for number in range(3):
        await _say(one, session, number)
    events = [await stream.next_event() for _ in range(3)]
    await stream.drop()
    await _say(other, session, 3)
    resumed = await session.listen(other, events[0].id)
    assert await _numbers(resumed, 3) == [1, 2, 3]
    await _say(one, session, 4)
    assert await _numbers(resumed, 1) == [4]


async def test_a_stream_can_be_resumed_from_its_priming_event(
    one: Process, other: Process, session: Session
) -> None:
    stream = await session.listen(one)
    primed = await stream.next_block()
    assert primed is not None
    await _say(one, session, 1)
    assert await _numbers(stream, 1) == [1]
    await stream.drop()
    assert await _numbers(await session.listen(other, primed.id), 1) == [1]


async def test_a_wake_up_that_is_lost_is_caught_up_from_the_log(
    one: Process, other: Process, session: Session, mcp_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mcp_settings.MCP_KEEP_ALIVE_SECONDS = 0.1
    stream = await _listen(one, session)
    await other.runtime.start()
    monkeypatch.setattr(LossyLayer, "loses", APPENDED)
    await _say(other, session, 1)
    assert await _numbers(stream, 1) == [1]


async def test_log_messages_below_the_level_do_not_arrive(
    one: Process, other: Process, session: Session
) -> None:
    answer = await (await session.post(other, request("logging/setLevel", {"level": "error"}))).answer()
    assert answer["result"] == {}

    async def is_known() -> bool:
        record = await one.runtime.sessions.get(session.id)
        return record is not None and record.log_level == "error"

    await eventually(is_known)
    response = await session.post(one, tool_call("test_tool_with_logging"))
    assert response.content_type == "application/json"
    assert (await response.json())["result"]


@pytest.mark.parametrize("level", [None, "loud", 1, ""])
async def test_a_level_that_does_not_exist_is_refused(one: Process, session: Session, level: Any) -> None:
    answer = await (await session.post(one, request("logging/setLevel", {"level": level}))).answer()
    assert answer["error"]["code"] == -32602


async def test_a_change_reaches_subscribers_on_every_process_once(
    one: Process, other: Process, session: Session
) -> None:
    neighbour = await Session.open(other, "bob")
    await session.post(other, request("resources/subscribe", {"uri": URI}))
    mine, theirs = await _listen(one, session), await _listen(other, neighbour)
    await other.runtime.subscription_bus.publish(ResourceUpdated(uri=URI))
    await other.runtime.subscription_bus.publish(ToolsListChanged())
    heard = {(message := await mine.next_message())["method"]: message["params"] for _ in range(2)}
    assert heard == {"notifications/resources/updated": {"uri": URI}, "notifications/tools/list_changed": {}}
    assert (await theirs.next_message())["method"] == "notifications/tools/list_changed"


async def test_a_change_is_delivered_to_a_stream_that_was_disconnected_when_it_happened(
    one: Process, other: Process, session: Session
) -> None:
    await session.post(other, request("resources/subscribe", {"uri": URI}))
    stream = await _listen(one, session)
    await other.runtime.subscription_bus.publish(ToolsListChanged())
    last = await stream.next_event()
    await stream.drop()
    await other.runtime.subscription_bus.publish(ResourceUpdated(uri=URI))
    back = await session.listen(other, last.id)
    assert (await back.next_message())["params"] == {"uri": URI}


async def test_a_change_is_delivered_although_a_dead_stream_has_the_claim(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_KEEP_ALIVE_SECONDS = 0.05
    stream = await _listen(one, session)
    await one.runtime.redis.set(keys.claim(session.id), "g" + "0" * 16 + "/0", px=300)
    await one.runtime.subscription_bus.publish(ToolsListChanged())
    assert (await stream.next_message())["method"] == "notifications/tools/list_changed"


async def test_a_change_is_not_stored_for_an_ended_session(one: Process, session: Session) -> None:
    await _listen(one, session)
    await session.delete(one)
    await one.runtime.subscription_bus.publish(ToolsListChanged())
    assert not await one.runtime.redis.exists(keys.pending(session.id))


async def test_a_resumed_stream_ends_the_connection_that_it_replaces(
    one: Process, other: Process, session: Session
) -> None:
    first = await _listen(one, session)
    await _say(one, session, 1)
    told = await first.next_event()
    second = await session.listen(other, told.id)
    assert await first.messages() == []
    await _say(one, session, 2)
    assert await _numbers(second, 1) == [2]


async def test_a_stream_ends_when_its_token_is_revoked_even_without_an_announcement(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_KEEP_ALIVE_SECONDS = 0.05
    mcp_settings.MCP_CACHE_SECONDS = 0.05
    stream = await _listen(one, session)
    one.tokens.withdrawn.add("alice")
    assert await stream.messages() == []


async def test_messages_moved_to_a_stream_reach_it_even_if_the_reply_of_redis_is_lost(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await Session.open(one, revision="2025-06-18")  # whose streams have no place to resume from
    await _say(one, session, 1)
    take, taken = one.runtime.log.take, asyncio.Event()

    async def take_and_lose_the_reply(*args: Any, **options: Any) -> bool:
        await take(*args, **options)
        monkeypatch.undo()
        taken.set()
        raise Unavailable(Store.SESSIONS, "the reply is late")

    monkeypatch.setattr(one.runtime.log, "take", take_and_lose_the_reply)
    stream = await session.listen(one)
    await taken.wait()
    await one.runtime.log.wake(session.id, PENDING)
    assert await _numbers(stream, 1) == [1]


async def test_the_set_of_listening_sessions_drops_dead_ones(one: Process, session: Session) -> None:
    await one.runtime.redis.zadd(keys.subscribers(), {"long gone": time.time() - 1})
    await _listen(one, session)
    assert await one.runtime.redis.zscore(keys.subscribers(), "long gone") is None
    assert await one.runtime.redis.zscore(keys.subscribers(), session.id) is not None


async def test_one_subscription_too_many_is_an_error_that_names_the_limit(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_MAX_SUBSCRIPTIONS = 1
    mcp_settings.MCP_CACHE_SECONDS = 0.0
    await session.post(one, request("resources/subscribe", {"uri": "test://static-text"}))
    refused = await session.post(one, request("resources/subscribe", {"uri": "test://static-binary"}))
    error = (await refused.answer())["error"]
    assert (error["code"], "1 subscriptions" in error["message"]) == (-32600, True)


async def test_after_unsubscribing_no_update_arrives(one: Process, session: Session) -> None:
    stream = await _listen(one, session)
    await session.post(one, request("resources/subscribe", {"uri": URI}))
    await session.post(one, request("resources/unsubscribe", {"uri": URI}))

    async def has_read_the_change() -> bool:
        listeners = [stream for streams in one.runtime.streams._open.values() for stream in streams]
        await _say(one, session, 0)
        return all(not listener.outdated for listener in listeners)

    await eventually(has_read_the_change)
    await one.runtime.subscription_bus.publish(ResourceUpdated(uri=URI))
    await one.runtime.subscription_bus.publish(ToolsListChanged())
    methods: list[str] = []
    while not methods or methods[-1] != "notifications/tools/list_changed":
        methods.append((await stream.next_message())["method"])
    assert set(methods[:-1]) == {"notifications/n"}


async def test_a_change_arrives_once_although_an_older_stream_is_open_at_another_process(
    one: Process, other: Process, session: Session
) -> None:
    older = await _listen(one, session)
    newer = await _listen(other, session)
    await one.runtime.subscription_bus.publish(ToolsListChanged())
    assert (await newer.next_message())["method"] == "notifications/tools/list_changed"
    await one.runtime.subscription_bus.publish(ResourceUpdated(uri=URI))  # not subscribed: nobody hears it
    await _say(one, session, 1)
    assert (await newer.next_message())["method"] == "notifications/n"
    await session.delete(one)
    assert await older.messages() == []


class Ticking:
    """Work for listening sessions that records for whom it runs, and sends a message."""

    def __init__(self, at: Process) -> None:
        self.running: list[ListeningSession] = []
        self.ended = 0
        at.runtime.engine.while_listening(self)

    async def __call__(self, session: ListeningSession) -> None:
        self.running.append(session)
        try:
            await session.notify("notifications/tick", {})
            await asyncio.Event().wait()
        finally:
            self.running.remove(session)
            self.ended += 1


async def test_work_for_a_listening_session_is_done_where_its_stream_is_held_and_nowhere_else(
    one: Process, other: Process, session: Session
) -> None:
    here, there = Ticking(one), Ticking(other)
    waiting = await _listen(one, session)
    assert (await waiting.next_message())["method"] == "notifications/tick"
    (ticking,) = here.running
    assert ticking.id == session.id
    newer = await _listen(other, session)
    assert (await newer.next_message())["method"] == "notifications/tick"
    # Even before the first process has noticed, what its work says goes nowhere.
    await ticking.notify("notifications/late", {})
    await eventually(lambda: here.running == [])
    assert len(there.running) == 1
    await newer.drop()
    assert (await waiting.next_message())["method"] == "notifications/tick"
    assert (len(here.running), there.running) == (1, [])
    await waiting.drop()
    assert here.running == []


async def test_work_knows_the_data_subscriptions_and_log_level_of_its_session(
    one: Process, session: Session
) -> None:
    seen: list[Any] = []

    async def work(listening: ListeningSession) -> None:
        await listening.data.set("a", b"kept")
        seen.append((set(listening.subscriptions), await listening.data.get("a")))
        for level in ("debug", "error"):
            await listening.notify("notifications/message", {"level": level, "data": level})

    one.runtime.engine.while_listening(work)
    await session.post(one, request("resources/subscribe", {"uri": URI}))
    await session.post(one, request("logging/setLevel", {"level": "warning"}))
    stream = await _listen(one, session)
    assert (await stream.next_message())["params"]["data"] == "error"
    assert seen == [({URI}, b"kept")]


async def test_work_that_fails_does_not_affect_its_stream(
    one: Process, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(listening: ListeningSession) -> None:
        raise ValueError("it broke")

    one.runtime.engine.while_listening(work)
    stream = await _listen(one, session)
    await _say(one, session, 1)
    assert await _numbers(stream, 1) == [1]
    await eventually(lambda: "work for a listening session crashed" in caplog.text)


async def test_work_restarts_after_an_outage(
    one: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_app.coordination.outages.PAUSE_SECONDS", 0)
    attempts: list[int] = []

    async def work(listening: ListeningSession) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise Unavailable(Store.SESSIONS, "for a moment")
        await listening.notify("notifications/tick", {})

    one.runtime.engine.while_listening(work)
    stream = await _listen(one, session)
    assert (await stream.next_message())["method"] == "notifications/tick"


async def test_work_that_misses_its_cancellation_takes_no_messages_for_a_closed_stream(
    one: Process, session: Session
) -> None:
    goes_on, has_ended = asyncio.Event(), asyncio.Event()

    async def work(listening: ListeningSession) -> None:
        with suppress(asyncio.CancelledError):  # as a Redis command may before Python 3.12
            await asyncio.Event().wait()
        await goes_on.wait()
        try:
            await listening.notify("notifications/late", {})
        finally:
            has_ended.set()

    one.runtime.engine.while_listening(work)
    await (await _listen(one, session)).drop()
    goes_on.set()
    await within(has_ended.wait())
    assert not await one.runtime.redis.exists(keys.claim(session.id))
    await _say(one, session, 1)
    assert await _numbers(await _listen(one, session), 1) == [1]


async def test_what_work_left_behind_takes_no_messages_for_a_closed_stream(
    one: Process, session: Session
) -> None:
    listening: list[ListeningSession] = []

    async def work(session: ListeningSession) -> None:
        listening.append(session)

    one.runtime.engine.while_listening(work)
    stream = await _listen(one, session)
    await eventually(lambda: listening)
    await stream.drop()
    await listening[0].notify("notifications/late", {})  # as a task that it started would
    assert not await one.runtime.redis.exists(keys.claim(session.id))


async def test_a_claim_that_is_just_being_taken_for_work_is_released_when_its_stream_closes(
    one: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, begun, may_arrive = one.runtime.log.take, asyncio.Event(), asyncio.Event()
    on_their_way: list[asyncio.Task[bool]] = []
    is_work, was_cancelled = ContextVar("is_work", default=False), asyncio.Event()

    async def arrives_late(*args: Any, **options: Any) -> bool:
        await may_arrive.wait()
        return await take(*args, **options)

    async def take_slowly(*args: Any, **options: Any) -> bool:
        if not is_work.get():
            return await take(*args, **options)
        command = asyncio.create_task(arrives_late(*args, **options))
        on_their_way.append(command)
        begun.set()
        return await asyncio.shield(command)  # what was sent to Redis cannot be cancelled

    async def work(listening: ListeningSession) -> None:
        is_work.set(True)
        try:
            await listening.notify("notifications/tick", {})
        finally:
            was_cancelled.set()

    one.runtime.engine.while_listening(work)
    monkeypatch.setattr(one.runtime.log, "take", take_slowly)
    stream = await _listen(one, session)
    await within(begun.wait())
    dropping = asyncio.create_task(stream.drop())
    await within(was_cancelled.wait())
    for _ in range(3):  # time to release the claim
        await one.runtime.redis.ping()
    may_arrive.set()
    await within(asyncio.wait(on_their_way))
    await within(dropping)
    assert not await one.runtime.redis.exists(keys.claim(session.id))


async def test_the_stream_of_a_session_that_has_expired_ends(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_KEEP_ALIVE_SECONDS = 0.05
    stream = await _listen(one, session)
    await one.runtime.redis.delete(keys.record(session.id))
    assert await stream.messages() == []


async def test_streams_of_one_session_get_no_messages_of_another(one: Process, session: Session) -> None:
    neighbour = await Session.open(one, "bob")
    mine, theirs = await _listen(one, session), await _listen(one, neighbour)
    await _say(one, neighbour, 1)
    await _say(one, session, 2)
    assert await _numbers(mine, 1) == [2]
    assert await _numbers(theirs, 1) == [1]


async def test_a_stream_that_opens_after_the_process_has_ended_all_ends_too(
    one: Process, session: Session
) -> None:
    one.runtime.streams.end_all()
    stream = await session.get(one)
    assert await stream.messages() == []
