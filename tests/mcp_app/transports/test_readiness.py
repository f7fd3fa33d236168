"""A process is ready only when it can serve."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from redis import Redis

from mcp_app.coordination import connection
from mcp_app.coordination.layer import channel_layer
from mcp_app.transports import health
from mcp_app.transports.health import Readyz
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
)
from tests.support.asgi import Http, Response
from tests.support.own_redis import OwnRedis
from tests.support.own_redis import own_redis as own_redis_server
from tests.support.redis_relay import relaying
from tests.support.waiting import eventually


@pytest.fixture
def own_redis(mcp_settings: Any) -> Iterator[OwnRedis]:
    with own_redis_server() as redis:
        mcp_settings.REDIS_URL = redis.url
        mcp_settings.MCP_REDIS_TIMEOUT_SECONDS = 0.5
        mcp_settings.MCP_CACHE_SECONDS = 0.0
        mcp_settings.MCP_LEASE_SECONDS = 1.0
        yield redis


@asynccontextmanager
async def started() -> AsyncIterator[Process]:
    process = Process()
    try:
        yield process
    finally:
        await process.stop()
        await channel_layer().flush()


async def readiness(at: Process) -> tuple[int, Any]:
    response = await at.http.request("GET", "/readyz", headers={"host": "10.0.0.1"})
    answer = await response.json()
    return response.status, answer.get("reason")


async def is_ready(at: Process) -> bool:
    return await readiness(at) == (200, None)


def as_user(redis: OwnRedis, *rules: str) -> str:
    """The server's URL for a user with these permissions."""
    with redis.client() as client:
        client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">secret", *rules)
    return redis.url.replace("unix://", "unix://limited:secret@")


_CALLED = re.compile(r"redis\.call\('(\w+)'")

EVERYTHING = ("~*", "+@all", "&*")
LACKING = [
    "-@read", "-get -hgetall", "-@scripting", "-eval -evalsha", "-script", "-set", "-xadd", "-xread -xrange",
    "-del -unlink", "-@stream", "-@hash", "-@sortedset", "-@string", "-time", "-expire", "-multi", "-zrange",
]  # fmt: skip


async def test_after_a_failover_the_new_primary_is_used_although_the_old_one_still_responds(
    own_redis: OwnRedis, mcp_settings: Any
) -> None:
    with own_redis_server() as new_primary:
        async with relaying(own_redis.url) as relay:
            mcp_settings.REDIS_URL = relay.url
            async with started() as process:
                session = await Session.open(process)
                await session.listen(process)
                own_redis.demote()
                response = await session.post(process, request("logging/setLevel", {"level": "debug"}))
                assert (response.status, response.headers["retry-after"]) == (503, "2")
                assert await readiness(process) == (503, "redis")
                relay.lead_to(new_primary.url)
                await eventually(lambda: is_ready(process))
                again = await Session.open(process)
                stream = await again.post(process, tool_call("test_tool_with_progress", progress=1))
                assert text_of((await stream.messages())[-1]) == "Tool with progress executed successfully"
                with Redis.from_url(new_primary.url) as client, client.pubsub() as others:
                    others.subscribe("another process")

                    async def others_hear_what_is_published() -> bool:
                        await process.runtime.bus.send("another process", {"type": "test"})
                        return others.get_message(ignore_subscribe_messages=True) is not None

                    await eventually(others_hear_what_is_published)

                    def this_process_hears() -> bool:
                        return client.pubsub_numsub(process.runtime.bus.address)[0][1] == 1

                    await eventually(this_process_hears)


async def test_a_failover_that_is_over_before_a_request_is_noticed_by_the_first_requests(
    own_redis: OwnRedis, mcp_settings: Any
) -> None:
    """One of them may have to retry: its script was loaded over a connection to the old primary."""
    with own_redis_server() as new_primary:
        async with relaying(own_redis.url) as relay:
            mcp_settings.REDIS_URL = relay.url
            async with started() as process:
                await Session.open(process)
                own_redis.demote()
                relay.lead_to(new_primary.url)
                opened = await asyncio.gather(*(begun(process) for _ in range(10)))
                assert {response.status for response in opened} <= {200, 503}
                assert all("retry-after" in response.headers for response in opened if response.status == 503)
                await asyncio.gather(*(Session.open(process) for _ in range(10)))


async def begun(process: Process) -> Response:
    """The answer to `initialize`."""
    return await process.http.request("POST", headers=headers_for(), body=json.dumps(initialize()).encode())


async def test_a_server_that_refuses_to_write_is_not_ready(own_redis: OwnRedis) -> None:
    async with started() as process:
        assert await is_ready(process)
        own_redis.demote()
        assert await readiness(process) == (503, "redis")
        with own_redis.client() as client:
            client.replicaof("NO", "ONE")
        assert await is_ready(process)


async def test_a_full_server_is_not_ready(own_redis: OwnRedis) -> None:
    async with started() as process:
        with own_redis.client() as client:
            client.config_set("maxmemory", "1")
        assert await readiness(process) == (503, "redis")


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (("~*", "+@all", "resetchannels"), "channel layer"),
        (("~*", "+@all", "resetchannels", "&other*"), "channel layer"),
        (("~*", "+@all", "&*", "-publish"), "channel layer"),
        (("~*", "+@all", "&*", "-subscribe"), "channel layer"),
        (("resetkeys", "+@all", "&*"), "redis"),
        (("~*", "+@read", "+@connection", "&*"), "redis"),
        (("~mcp:*", "+@all", "&*"), "redis"),
        *(((*EVERYTHING, *lacks.split()), "redis") for lacks in LACKING),
    ],
    ids=[
        "no channels",
        "other channels",
        "no publish",
        "no subscribe",
        "no keys",
        "no writing",
        "no session keys",
        *LACKING,
    ],
)
async def test_a_redis_user_without_the_required_permissions_is_not_ready(
    own_redis: OwnRedis, mcp_settings: Any, rules: tuple[str, ...], reason: str
) -> None:
    mcp_settings.REDIS_URL = as_user(own_redis, *rules)
    async with started() as process:
        assert await readiness(process) == (503, reason)


def test_every_command_of_a_script_is_tried_and_none_that_nothing_uses() -> None:
    tried = set(_CALLED.findall(connection._TRY))
    sources = [path.read_text() for path in Path(connection.__file__).parents[1].rglob("*.py")]
    others = "".join(sources).replace(connection._TRY, "")
    called = set(_CALLED.findall(others))
    sent = {{"delete": "del"}.get(name, name).upper() for name in re.findall(r"\.([a-z]+)\(", others)}
    assert called - tried == set()
    assert tried - called - sent == set()


async def test_a_wrong_password_is_not_ready(own_redis: OwnRedis, mcp_settings: Any) -> None:
    mcp_settings.REDIS_URL = as_user(own_redis, "~*", "&*", "+@all").replace("secret", "guess")
    async with started() as process:
        assert await readiness(process) == (503, "redis")


async def use_much(process: Process, other: Process) -> None:
    """A session that does most of what sessions can do, over two processes."""
    session = await Session.open(process)
    stream = await session.listen(other)
    await session.post(process, request("resources/subscribe", {"uri": "test://watched-resource"}))
    held = Held(process)
    running = await session.post(process, call_held())
    await running.next_message()
    sampled = await session.post(process, tool_call("test_sampling", {"prompt": "x"}, id=3))
    asked = await sampled.next_message()
    answer = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "a"}}
    posted = await session.post(other, {"jsonrpc": "2.0", "id": asked["id"], "result": answer})
    assert posted.status == 202
    await sampled.messages()
    held.go.set()
    await running.messages()
    await process.runtime.log.append(session.id, "pending", notification("notifications/n"))
    assert (await stream.next_message())["method"] == "notifications/n"
    assert (await modern(process, "tools/list")).status == 200
    call_command("sessions")
    assert (await session.delete(other)).status == 204


def commands_used(redis: OwnRedis) -> set[str]:
    """The commands that the server has run since the last call, including those in scripts."""
    with redis.client() as client:
        found = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
        client.config_resetstat()
    return found - {"config|resetstat", "info"}


async def test_readiness_tries_every_command_that_requests_use(own_redis: OwnRedis) -> None:
    async with started() as process, started() as other:
        assert await is_ready(process)
        assert await is_ready(other)
        with own_redis.client() as client:
            assert list(client.scan_iter("*readiness*")) == [], "what was tried is left behind"
        tried = commands_used(own_redis)
        await use_much(process, other)
        # Lists of sessions, which are for operators; and the layer, of groups that nobody needs any more.
        assert commands_used(own_redis) - tried <= {"scan", "unsubscribe"}


async def test_the_documented_redis_user_may_do_all_that_the_server_does(
    own_redis: OwnRedis, mcp_settings: Any
) -> None:
    text = (Path(__file__).parents[3] / "docs" / "redis.md").read_text()
    [line] = [line for line in text.splitlines() if line.startswith("user everything ")]
    mcp_settings.REDIS_URL = as_user(own_redis, *(word for word in line.split()[2:] if word[0] not in ">o"))
    async with started() as process, started() as other:
        assert await is_ready(process)
        await use_much(process, other)
    with own_redis.client() as client:
        assert [entry for entry in client.acl_log() if entry["username"] == "limited"] == []


async def test_probes_that_come_together_share_one_try() -> None:
    tries = 0
    go = asyncio.Event()

    async def attempt() -> None:
        nonlocal tries
        tries += 1
        await go.wait()

    http = Http(Readyz({"thing": attempt}))
    probes = [asyncio.create_task(http.request("GET", "/readyz")) for _ in range(20)]
    await eventually(lambda: tries)
    go.set()
    assert {(await probe).status for probe in probes} == {200}
    assert tries == 1


async def test_the_first_need_that_does_not_work_is_named() -> None:
    async def works() -> None: ...

    async def fails() -> None:
        raise RuntimeError("out of order")

    response = await Http(Readyz({"a": works, "b": fails, "c": fails})).request("GET", "/readyz")
    assert (response.status, await response.json()) == (503, {"status": "not ready", "reason": "b"})


async def test_needs_are_tested_concurrently() -> None:
    together = asyncio.Barrier(3)

    async def waits_for_the_others() -> None:
        await together.wait()

    needs = dict.fromkeys("abc", waits_for_the_others)
    assert (await Http(Readyz(needs)).request("GET", "/readyz")).status == 200


async def test_the_first_need_in_order_is_named_even_if_it_fails_last() -> None:
    other_has_failed = asyncio.Event()

    async def fails_last() -> None:
        await other_has_failed.wait()
        raise RuntimeError("out of order")

    async def fails_first() -> None:
        other_has_failed.set()
        raise RuntimeError("out of order")

    response = await Http(Readyz({"a": fails_last, "b": fails_first})).request("GET", "/readyz")
    assert (await response.json())["reason"] == "a"


async def test_a_need_that_never_answers_counts_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PROBE_SECONDS", 0.05)

    async def hangs() -> None:
        await asyncio.Event().wait()

    response = await Http(Readyz({"a": hangs})).request("GET", "/readyz")
    assert (response.status, await response.json()) == (503, {"status": "not ready", "reason": "a"})


async def test_a_process_that_ends_is_not_ready() -> None:
    response = await Http(Readyz({}, lambda: True)).request("GET", "/readyz")
    assert (response.status, await response.json()) == (
        503,
        {"status": "not ready", "reason": "shutting down"},
    )
