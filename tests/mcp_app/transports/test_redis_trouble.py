"""A Redis that is down, stalled or restarted, and what is left in it."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from mcp_app.conf import conf
from mcp_app.coordination.layer import channel_layer
from mcp_app.exceptions import Store, Unavailable
from mcp_app.sessions import keys
from mcp_app.sessions.event_log import Reader
from mcp_app.sessions.event_stream import EventStream
from mcp_app.sessions.events import START
from mcp_app.sessions.record import SessionRecord
from tests.mcp_app.transports.support import (
    Held,
    Process,
    Session,
    call_held,
    headers_for,
    initialize,
    modern,
    notification,
    request,
    text_of,
    tool_call,
    within,
)
from tests.support.asgi import Response
from tests.support.own_redis import OwnRedis
from tests.support.own_redis import own_redis as own_redis_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

BOUND = 5.0
"""Seconds within which a request must be answered with 503, with the short timeouts of these tests."""


@pytest.fixture
def own_redis(mcp_settings: Any) -> Iterator[OwnRedis]:
    with own_redis_server() as redis:
        mcp_settings.REDIS_URL = redis.url
        mcp_settings.MCP_REDIS_TIMEOUT_SECONDS = 0.2
        mcp_settings.MCP_CACHE_SECONDS = 0.0
        yield redis


@pytest.fixture
async def unstarted(own_redis: OwnRedis) -> AsyncIterator[Process]:
    made = Process()
    yield made
    await made.stop()
    await channel_layer().flush()


@pytest.fixture
async def process(unstarted: Process) -> Process:
    async def has_started() -> bool:
        with suppress(Unavailable):
            await unstarted.runtime.start()
            return True
        return False

    await eventually(has_started)  # a busy machine may need more than the fifth of a second
    return unstarted


async def _assert_unavailable(response: Response) -> None:
    assert (response.status, response.content_type) == (503, "application/json")
    assert int(response.headers["retry-after"]) > 0
    refusal = await response.json()
    assert refusal["id"] in (1, None), "the id of the request, once it has been read"
    assert refusal["error"]["code"] == -32603


async def _every_kind_of_request(at: Process, session: Session) -> list[Response]:
    started = time.monotonic()
    responses = [
        await session.post(at, request("ping")),
        await session.post(at, notification("notifications/initialized")),
        await session.post(at, {"jsonrpc": "2.0", "id": "a/b", "result": {}}),
        await session.get(at),
        await session.delete(at),
    ]
    assert time.monotonic() - started < len(responses) * BOUND
    return responses


async def test_while_redis_is_down_requests_get_503_and_afterwards_they_succeed(
    process: Process, own_redis: OwnRedis
) -> None:
    session = await Session.open(process)
    assert (await session.post(process, request("ping"))).status == 200
    own_redis.stop()
    for response in await _every_kind_of_request(process, session):
        await _assert_unavailable(response)
    probe = {"host": "10.0.0.1"}
    assert (await process.http.request("GET", "/healthz", headers=probe)).status == 200
    assert (await process.http.request("GET", "/readyz", headers=probe)).status == 503
    own_redis.start()

    async def serves_again() -> bool:
        return (await process.http.request("GET", "/readyz", headers=probe)).status == 200

    await eventually(serves_again)
    again = await Session.open(process)
    assert text_of(await again.call(process, "echo", {"message": "back"})) == "Echo: back"
    stream = await again.post(process, tool_call("test_tool_with_progress", progress=1))
    assert text_of((await stream.messages())[-1]) == "Tool with progress executed successfully"


async def test_a_request_that_a_full_redis_refuses_is_logged_as_an_error_with_the_reason(
    process: Process, own_redis: OwnRedis, caplog: pytest.LogCaptureFixture
) -> None:
    with own_redis.client() as operator:
        operator.config_set("maxmemory", "1")
    body = json.dumps(initialize()).encode()
    await _assert_unavailable(await process.http.request("POST", headers=headers_for(), body=body))
    [line] = [line for line in caplog.records if line.getMessage() == f"Redis unavailable at {own_redis.url}"]
    assert line.levelname == "ERROR"
    assert "memory" in vars(line)["reason"]


async def test_a_start_without_redis_is_logged_with_its_url_but_no_password_and_with_what_to_do(
    mcp_settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    mcp_settings.REDIS_URL = "redis://user:secret@127.0.0.1:1/0?password=secret"
    process = Process()
    with pytest.raises(Unavailable):
        await process.runtime.start()
    await process.stop()
    [line] = [text for text in caplog.messages if text.startswith("startup failed")]
    assert "redis://127.0.0.1:1/0" in line
    assert "manage.py valkey" in line
    assert "MCP_REDIS_URL" in line
    assert "secret" not in line


async def test_a_process_that_starts_while_redis_is_down_serves_when_it_is_back(
    process: Process, own_redis: OwnRedis
) -> None:
    own_redis.stop()
    session = Session("unknown")
    for response in await _every_kind_of_request(process, session):
        await _assert_unavailable(response)
    own_redis.start()
    again = await Session.open(process)
    assert text_of(await again.call(process, "echo", {"message": "back"})) == "Echo: back"


async def test_messages_between_processes_arrive_again_after_an_outage(
    process: Process, own_redis: OwnRedis
) -> None:
    second = Process()
    try:
        await second.runtime.start()
        await Session.open(process)
        own_redis.stop()
        own_redis.start()
        heard: list[Any] = []
        second.runtime.bus.on("test", heard.append)

        async def is_heard() -> bool:
            await process.runtime.bus.send(second.runtime.bus.address, {"type": "test"})
            return bool(heard)

        await eventually(is_heard)
    finally:
        await second.stop()


async def test_a_stalled_redis_is_503_and_blocks_nothing(process: Process, own_redis: OwnRedis) -> None:
    session = await Session.open(process)
    with own_redis.frozen():
        for response in await _every_kind_of_request(process, session):
            await _assert_unavailable(response)
    assert (await session.post(process, request("ping"))).status == 200


async def test_a_stream_that_cannot_be_read_ends_and_its_client_is_told_to_reconnect(
    process: Process, own_redis: OwnRedis, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 60.0
    session = await Session.open(process)
    own_redis.stop()
    stream = await session.get(process)
    blocks = [await stream.next_block() for _ in range(3)]
    assert [block.retry if block else None for block in blocks] == [conf.retry_milliseconds] * 2 + [None]
    await eventually(lambda: len(process.runtime.streams) == 0)
    own_redis.start()
    again = await Session.open(process)
    listening = await again.listen(process)
    await process.runtime.log.append(again.id, "pending", notification("notifications/n"))
    assert (await listening.next_message())["method"] == "notifications/n"


async def test_a_cancellation_does_not_wait_for_a_stalled_redis(
    process: Process, own_redis: OwnRedis, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 60.0  # the session is known without Redis, so only the message needs it
    session = await Session.open(process)
    held = Held(process)
    stream = await session.post(process, call_held())
    await stream.next_message()
    with own_redis.frozen():
        cancelled = notification("notifications/cancelled", {"requestId": 1})
        assert (await session.post(process, cancelled)).status == 202
        await eventually(lambda: held.was_cancelled)


async def test_a_result_that_could_not_be_logged_is_logged_when_redis_is_back(
    process: Process, own_redis: OwnRedis
) -> None:
    session = await Session.open(process)
    held = Held(process)
    stream = await session.post(process, call_held(quiet=False))
    await stream.next_message()
    with own_redis.frozen():
        held.go.set()
        await eventually(lambda: held.runs == 1)
    assert (await stream.messages())[-1]["id"] == 1


async def test_a_call_that_runs_while_redis_is_unavailable_gets_its_result_and_is_not_to_be_repeated(
    process: Process, own_redis: OwnRedis, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 60.0
    session = await Session.open(process)
    held = Held(process)
    held.go.set()
    own_redis.stop()
    response = await session.post(process, call_held())  # its progress is lost
    assert (response.status, response.content_type) == (200, "application/json")
    assert text_of(await response.json()) == "result"
    assert held.runs == 1


async def test_a_long_call_that_began_while_redis_was_unavailable_streams_when_it_is_back(
    process: Process, own_redis: OwnRedis, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 60.0
    session = await Session.open(process)
    held = Held(process)
    with own_redis.frozen():
        posting = asyncio.create_task(session.post(process, call_held()))
        await within(held.started.wait())
    stream = await within(posting)
    assert stream.content_type == "text/event-stream"
    held.go.set()
    assert text_of((await stream.messages())[-1]) == "result"
    assert held.runs == 1


async def test_a_batch_that_is_refused_because_redis_is_unavailable_has_not_run(
    process: Process, own_redis: OwnRedis, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 60.0
    session = await Session.open(process, revision="2025-03-26")
    held = Held(process)
    own_redis.stop()
    response = await session.post(process, [call_held(id=1), call_held(id=2)])
    assert response.status == 503
    assert held.runs == 0


async def test_a_call_that_may_have_been_registered_is_removed_after_its_result_was_sent_as_json(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await Session.open(process)
    held = Held(process)
    write = process.runtime.registry.write

    async def register_and_lose_the_reply(*args: Any, **options: Any) -> str | None:
        position = await write(*args, **options)
        if not options.get("is_first"):
            return position
        held.go.set()
        raise Unavailable(Store.SESSIONS, "the reply is late")

    monkeypatch.setattr(process.runtime.registry, "write", register_and_lose_the_reply)
    assert text_of(await (await session.post(process, call_held(quiet=True))).json()) == "result"

    async def is_forgotten() -> bool:
        return not await process.runtime.redis.exists(keys.calls(session.id))

    await eventually(is_forgotten)


async def test_a_quick_call_that_needs_redis_is_503_as_well(
    process: Process, own_redis: OwnRedis, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 60.0  # the session is known without Redis, so only the handler needs it
    mcp_settings.MCP_STREAM_AFTER_SECONDS = BOUND
    session = await Session.open(process)
    own_redis.stop()
    response = await session.post(process, request("logging/setLevel", {"level": "debug"}, id="mine"))
    assert (response.status, response.content_type) == (503, "application/json")
    assert int(response.headers["retry-after"]) > 0
    refusal = await response.json()
    assert (refusal["id"], refusal["error"]["code"]) == ("mine", -32603)


async def test_messages_of_a_running_call_during_an_outage_of_redis_are_sent_afterwards(
    process: Process, own_redis: OwnRedis
) -> None:
    session = await Session.open(process)
    held = Held(process)
    stream = await session.post(process, call_held())
    await stream.next_message()
    with own_redis.frozen():
        held.go.set()  # it reports once more, and ends
        await eventually(lambda: not process.runtime.leases.can_detect_death)
    messages = await stream.messages()
    assert [m["params"]["message"] for m in messages if "params" in m] == ["second"]
    assert text_of(messages[-1]) == "result"


async def test_after_an_outage_other_processes_get_time_to_renew_their_leases(
    process: Process, own_redis: OwnRedis, mcp_settings: Any
) -> None:
    mcp_settings.MCP_LEASE_SECONDS = 3.0
    second = Process()
    try:
        session = await Session.open(process)
        held = Held(process)
        stream = await session.post(process, call_held())
        await stream.next_message()
        [name] = await process.runtime.redis.hkeys(keys.calls(session.id))
        record = await _record(second, session)
        with own_redis.frozen():
            await eventually(lambda: second.runtime.leases._detects_from == math.inf)
        await eventually(lambda: second.runtime.leases._detects_from < math.inf)
        process.runtime.leases._renewed.clear()  # it is slower to renew
        await process.runtime.redis.delete(keys.lease(session.id, str(name)))
        assert await second.runtime.recovery.recover_if_lost(record, str(name))
        held.go.set()
        assert "result" in (await stream.messages())[-1]
    finally:
        await second.stop()


async def _record(at: Process, session: Session) -> SessionRecord:
    await at.runtime.start()
    record = await at.runtime.sessions.get(session.id)
    assert record is not None
    return record


async def test_a_start_that_failed_halfway_leaves_no_second_receiver(
    unstarted: Process, mcp_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = unstarted.runtime.processes.register

    async def fail() -> None:
        monkeypatch.setattr(unstarted.runtime.processes, "register", register)
        raise Unavailable(Store.SESSIONS, "down")

    monkeypatch.setattr(unstarted.runtime.processes, "register", fail)
    await _assert_unavailable(await Session("unknown").post(unstarted, request("ping")))
    heard: list[Any] = []
    unstarted.runtime.bus.on("test", heard.append)
    await Session.open(unstarted)
    layer = channel_layer()
    for _ in range(2):
        await layer.send(unstarted.runtime.bus.address, {"type": "test"})
    await eventually(lambda: len(heard) >= 2)
    await Session.open(unstarted)
    assert len(heard) == 2


async def test_a_start_that_cannot_succeed_blocks_nobody(
    unstarted: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Any:
        raise RuntimeError("no lifespan")

    with monkeypatch.context() as patched:
        patched.setattr(unstarted.runtime.server.session_manager.app, "lifespan", fail)
        for _ in range(2):
            assert (await Session("unknown").post(unstarted, request("ping"))).status == 500
    await Session.open(unstarted)


async def test_every_key_has_an_expiry_and_an_ended_session_leaves_none(
    process: Process, own_redis: OwnRedis
) -> None:
    session = await Session.open(process)
    redis = process.runtime.redis
    listening = await session.listen(process)
    await listening.next_block()
    await session.post(process, request("logging/setLevel", {"level": "debug"}))
    await session.post(process, request("resources/subscribe", {"uri": "test://watched-resource"}))
    await (await session.post(process, tool_call("test_tool_with_progress", progress=1, id=2))).messages()
    sampled = await session.post(process, tool_call("test_sampling", {"prompt": "x"}, id=3))
    asked = await sampled.next_message()
    answer = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "a"}}
    await session.post(process, {"jsonrpc": "2.0", "id": asked["id"], "result": answer})
    await sampled.messages()
    asking = await session.post(process, tool_call("test_elicitation", {"message": "x"}, id=4))
    await asking.next_message()
    held = Held(process)
    running = await session.post(process, call_held(id=5))
    await running.next_message()
    await (await modern(process, "tools/list")).body()
    await listening.drop()
    await session.post(process, tool_call("test_trigger_tool_change", id=6))
    await process.runtime.log.append(session.id, "pending", notification("notifications/n"))

    async def keys_without_expiry() -> list[str]:
        return [key async for key in redis.scan_iter() if await redis.ttl(key) == -1]

    kinds = {key.partition("{")[0] async for key in redis.scan_iter()}
    assert {"session:", "mcp:events:", "mcp:calls:", "mcp:lease:", "mcp:asked:", "mcp:pending:"} <= kinds
    assert {"mcp:tails:", "mcp:subscribers"} <= kinds
    assert await keys_without_expiry() == []
    await session.delete(process)
    await eventually(lambda: held.was_cancelled and len(process.runtime.calls) == 0)
    left = [key async for key in redis.scan_iter() if session.id in key]
    assert all(key.startswith(("mcp:lease:", "mcp:answer:")) for key in left), left
    assert await keys_without_expiry() == []


async def test_a_bug_in_a_stream_that_began_without_redis_is_not_blamed_on_redis(
    one: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(place: str) -> None:
        raise Unavailable(Store.SESSIONS, "away")

    record = await one.runtime.sessions.get(session.id)
    assert record is not None
    monkeypatch.setattr(one.runtime.directory, "register_and_renew", fail)
    stream = EventStream(record, {"a-stream"}, Reader(one.runtime.log, record.id, {"a-stream": START}))
    with pytest.raises(ZeroDivisionError) as caught:
        async with one.runtime.streams.opened(stream):
            raise ZeroDivisionError
    assert caught.value.__context__ is None
    assert len(one.runtime.streams) == 0


async def test_a_stream_that_cannot_be_resumed_has_the_response_though_it_could_not_be_registered(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await Session.open(one, revision="2025-06-18")
    held = Held(one)
    with monkeypatch.context() as patched:

        async def fail(place: str) -> None:
            raise Unavailable(Store.SESSIONS, "no connection in time")

        patched.setattr(one.runtime.directory, "register_and_renew", fail)
        stream = await session.post(one, call_held())
        assert (await stream.next_message())["method"] == "notifications/progress"
    held.go.set()
    assert text_of((await stream.messages())[-1]) == "result"
    await eventually(lambda: not one.runtime.streams)
