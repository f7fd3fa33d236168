"""Redis stops, returns with or without its data, or stalls: clients get a clear error and continue."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2
import pytest

from tests.mcp_app.transports.support import initialize, notification, request, text_of, tool_call
from tests.processes.support import (
    APPLICATION,
    LEASE_SECONDS,
    Diary,
    Person,
    Reply,
    Session,
    Site,
    answer_to,
    hears_changes,
    readiness,
    start,
    with_settings,
)
from tests.support.own_redis import OwnRedis, own_redis
from tests.support.processes import Installation, ServerProcess
from tests.support.waiting import eventually

TIMEOUT_SECONDS = 1.0
"""MCP_REDIS_TIMEOUT_SECONDS of these processes."""

BOUND = 3 * TIMEOUT_SECONDS + 2.0
"""Within which a request is refused: a command is tried three times, with a short pause between."""


@dataclass
class Troubled:
    """Two processes with their own Redis."""

    redis: OwnRedis
    servers: list[ServerProcess]


@pytest.fixture(scope="module")
def _troubled(site: Site) -> Iterator[Troubled]:
    with own_redis() as redis:
        environment = site.installation.environment | {"REDIS_URL": redis.url}
        made = with_settings(
            Installation(environment, site.installation.folder),
            MCP_REDIS_TIMEOUT_SECONDS=TIMEOUT_SECONDS,
            MCP_KEEP_ALIVE_SECONDS=4.0,  # when a silent stream looks after its session
        )
        servers = [ServerProcess(made, application=APPLICATION) for _ in range(2)]
        try:
            start(*servers)
            yield Troubled(redis, servers)
        finally:
            for server in servers:
                server.kill()


@pytest.fixture
async def troubled(_troubled: Troubled) -> AsyncIterator[Troubled]:
    yield _troubled
    _troubled.redis.start_if_stopped()
    await _until_ready(_troubled)


async def _until_ready(troubled: Troubled) -> None:
    for server in troubled.servers:
        await eventually(partial(_is_ready, server))


async def _is_ready(server: ServerProcess) -> bool:
    return await readiness(server) == 200


async def _every_kind_of_request(session: Session, at: str) -> list[Reply]:
    """At the same time, as they come; the session is one that the process does not remember."""
    person = session.person
    return await asyncio.gather(
        person.send("POST", f"{at}/mcp", message=initialize()),
        session.post(at, request("ping")),
        session.post(at, request("tools/list")),
        session.post(at, tool_call("test_tool_with_progress", progress=1)),
        session.post(at, notification("notifications/cancelled", {"requestId": 1})),
        session.get(at),
        session.delete(at),
        person.send("GET", f"{at}/sse"),
        person.send("POST", f"{at}/message?sessionId={session.id}", message=request("ping")),
    )


async def _all_are_refused_in_time(session: Session, at: str) -> None:
    begun = time.monotonic()
    for reply in await _every_kind_of_request(session, at):
        assert reply.status == 503, await reply.body()
        assert int(reply.headers["retry-after"]) > 0
        assert "store is unavailable" in (await reply.json())["error"]["message"]
    assert time.monotonic() - begun < BOUND


async def test_while_redis_is_down_requests_get_503_and_afterwards_everything_works_as_before(
    troubled: Troubled, client_of: Any, site: Site
) -> None:
    alice: Person = client_of(site.people["alice"])
    one, other = (server.url for server in troubled.servers)
    session = await alice.open(one)
    await (await session.post(one, request("logging/setLevel", {"level": "error"}))).body()
    await (
        await session.post(one, request("resources/subscribe", {"uri": "test://static/resource/7"}))
    ).body()
    troubled.redis.stop()
    await _all_are_refused_in_time(session, other)
    for server in troubled.servers:
        assert await readiness(server) == 503
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{server.url}/healthz")).status_code == 200
    troubled.redis.start()
    await _until_ready(troubled)
    for at in (one, other):
        assert text_of(await session.call(at, "echo", {"message": "back"})) == "Echo: back"
    with troubled.redis.client() as store:  # what was acknowledged is still there
        record = store.hgetall(f"session:{{{session.id}}}")
    assert record["log_level"] == "error"
    assert "subscription:test://static/resource/7" in record


async def test_streams_and_calls_survive_a_restart_of_redis(
    troubled: Troubled, client_of: Any, site: Site, diary: Diary
) -> None:
    alice: Person = client_of(site.people["alice"])
    one, other = (server.url for server in troubled.servers)
    session = await alice.open(one)
    listening = await session.listen(other)
    arguments = {"diary": str(diary.path), "seconds": 0.6, "steps": 1}
    running = await session.post(one, tool_call("harmful", arguments, id="x", progress=1))
    heard = [await running.next_message()]
    troubled.redis.stop()
    async with asyncio.timeout(BOUND):
        assert (await alice.send("POST", f"{other}/mcp", message=initialize())).status == 503
    troubled.redis.start()
    heard += await running.messages()
    assert [message["id"] for message in heard if "id" in message] == ["x"]
    assert text_of(heard[-1]) == "done"
    assert len(diary.runs) == 1
    await _until_ready(troubled)
    await hears_changes(listening, session, other, one)


async def test_an_answer_that_was_acknowledged_survives_a_restart_of_redis(
    troubled: Troubled, client_of: Any, site: Site
) -> None:
    alice: Person = client_of(site.people["alice"])
    one, other = (server.url for server in troubled.servers)
    session = await alice.open(one)
    asking = await session.post(one, tool_call("test_sampling", {"prompt": "Hm"}))
    question = await asking.next_message()
    with troubled.redis.client() as store:
        store.client_kill_filter(_type="pubsub")  # so that the process that waits does not hear of it
    acknowledged = await session.post(other, answer_to(question))
    assert acknowledged.status == 202
    troubled.redis.stop()
    troubled.redis.start()
    (answer,) = await asking.messages()
    assert text_of(answer) == "LLM response: To Hm"


async def test_losing_all_data_in_redis_ends_the_sessions_and_new_ones_can_be_opened(
    troubled: Troubled, client_of: Any, site: Site
) -> None:
    alice: Person = client_of(site.people["alice"])
    one, other = (server.url for server in troubled.servers)
    session = await alice.open(one)
    listening = await session.listen(other)
    running = await session.post(one, tool_call("test_sampling", {"prompt": "Hm"}))
    await running.next_message()
    troubled.redis.stop(forgetting=True)
    troubled.redis.start()
    await _until_ready(troubled)
    for at in (one, other):
        await eventually(partial(_has_status, session, at, 404))
    await asyncio.gather(_ends(running), _ends(listening))
    again = await alice.open(other)
    assert text_of(await again.call(one, "echo", {"message": "anew"})) == "Echo: anew"
    stream = await again.post(other, tool_call("test_tool_with_progress", progress=1))
    assert text_of((await stream.messages())[-1]) == "Tool with progress executed successfully"


async def _has_status(session: Session, at: str, status: int) -> bool:
    return await session.ping(at) == status


async def _ends(stream: Reply) -> None:
    async with asyncio.timeout(15 + LEASE_SECONDS):
        await stream.blocks()


async def test_a_stalled_redis_is_answered_with_503_in_time_and_streams_survive_it(
    troubled: Troubled, client_of: Any, site: Site, diary: Diary
) -> None:
    alice: Person = client_of(site.people["alice"])
    one, other = (server.url for server in troubled.servers)
    session = await alice.open(one)
    listening = await session.listen(other)
    arguments = {"diary": str(diary.path), "seconds": 1.0, "steps": 4}
    running = await session.post(one, tool_call("harmful", arguments, id="x", progress=1))
    heard = [await running.next_message()]
    unknown_there = await alice.open(one)
    with troubled.redis.frozen():
        await _all_are_refused_in_time(unknown_there, other)
    heard += await running.messages()
    answers = [message for message in heard if "id" in message]
    assert [answer["id"] for answer in answers] == ["x"]
    assert "result" in answers[0], "a call whose process lives is not given up"
    await _until_ready(troubled)
    await hears_changes(listening, session, other, one)


async def test_a_pause_below_the_time_limit_has_no_effect(
    troubled: Troubled, client_of: Any, site: Site
) -> None:
    alice: Person = client_of(site.people["alice"])
    one, other = (server.url for server in troubled.servers)
    session = await alice.open(one)
    with troubled.redis.client() as store:
        store.client_pause(int(TIMEOUT_SECONDS * 600), all=True)
    replies = await _every_kind_of_request(session, other)
    with contextlib.suppress(AssertionError):
        await asyncio.gather(*(reply.drop() for reply in replies))
    assert {reply.status for reply in replies} <= {200, 202, 204, 404}
    assert await (await alice.open(one)).ping(other) == 200


async def test_a_client_that_was_told_to_reconnect_needs_nothing_new(
    troubled: Troubled, client_of: Any, site: Site
) -> None:
    """The same session id, the same token, the same stream: the client only has to retry."""
    alice: Person = client_of(site.people["alice"])
    one, other = (server.url for server in troubled.servers)
    session = await alice.open(one)
    listening = await session.listen(one)
    await listening.drop()
    with troubled.redis.frozen():
        assert (await session.get(other, listening.last_id)).status == 503
    resumed = await session.listen(other, listening.last_id)
    await hears_changes(resumed, session, other, one)
