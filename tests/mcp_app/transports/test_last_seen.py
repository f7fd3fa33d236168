"""When people last used which client: what each way to connect leaves behind, and how it is forgotten."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from mcp_app import withdrawal
from mcp_app.auth.tokens import checksum
from mcp_app.calls import last_seen as writing
from mcp_app.control import awithdraw_tokens
from mcp_app.coordination.connection import in_portions
from mcp_app.monitoring import last_seen
from mcp_app.monitoring.last_seen import Use
from mcp_app.monitoring.sessions import connected
from mcp_app.protocol.personal import Person
from mcp_app.sessions import keys
from tests.mcp_app.transports.support import (
    LATEST,
    MODERN,
    Process,
    Session,
    headers_for,
    initialize,
    modern,
    request,
)
from tests.support.tokens import ISSUER
from tests.support.waiting import eventually


@pytest.fixture
def name() -> str:
    """A user whom no other test has."""
    return f"user-{secrets.token_hex(6)}"


def uses_of(name: str) -> list[Use]:
    with connected() as redis:
        return last_seen.of_person(redis, ISSUER, name)


async def uses(at: Process, name: str) -> list[Use]:
    """What is known of this user once the process has written it."""
    await at.runtime.last_seen.beat()
    return await asyncio.to_thread(uses_of, name)


async def test_a_session_leaves_who_used_which_client_and_how(one: Process, name: str) -> None:
    await Session.open(one, f"{name}@c1")
    [use] = await uses(one, name)
    assert (use.username, use.client, use.revision, use.software, use.transport) == (
        name,
        "c1",
        LATEST,
        "test 1",
        "Streamable HTTP",
    )
    assert use.seconds_ago < 60


async def test_so_does_a_request_without_a_session(one: Process, name: str) -> None:
    await (await modern(one, "tools/list", token=name)).answer()
    [use] = await uses(one, name)
    assert (use.revision, use.software, use.transport) == (MODERN, "test 1", "Streamable HTTP")


async def test_and_http_sse(one: Process, name: str) -> None:
    stream = await one.http.request("GET", "/sse", headers=headers_for(name, accept="text/event-stream"))
    path = (await stream.next_event()).data or ""
    for message in (initialize("2024-11-05"), request("ping", id=2)):
        body = json.dumps(message).encode()
        assert (await one.http.request("POST", path, headers=headers_for(name), body=body)).status == 202
    [use] = await uses(one, name)
    assert (use.revision, use.software, use.transport) == ("2024-11-05", "test 1", "HTTP+SSE")
    await stream.drop()


async def test_of_each_client_only_the_last_use_is_kept(
    one: Process, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "EVERY_SECONDS", 0.0)
    await Session.open(one, f"{name}@c1", revision="2025-06-18")
    await one.runtime.last_seen.beat()
    await (await modern(one, "tools/list", token=f"{name}@c1")).answer()
    await (await modern(one, "tools/list", token=f"{name}@c2")).answer()
    known = {use.client: use.revision for use in await uses(one, name)}
    assert known == {"c1": MODERN, "c2": MODERN}


async def test_it_is_written_at_most_once_a_minute(one: Process, name: str) -> None:
    await (await modern(one, "tools/list", token=name)).answer()
    assert await uses(one, name)
    await one.runtime.redis.delete(keys.seen(Person(ISSUER, name).key))
    await (await modern(one, "tools/list", token=name)).answer()
    assert not await uses(one, name)


async def test_of_more_clients_than_are_kept_the_oldest_is_forgotten(
    one: Process, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_MAX_CLIENTS", 2)
    for number, client in enumerate(("c1", "c2", "c3")):
        monkeypatch.setattr("time.time", lambda number=number: 2_000_000_000 + number)
        await (await modern(one, "tools/list", token=f"{name}@{client}")).answer()
        await one.runtime.last_seen.beat()
    assert {use.client for use in await uses(one, name)} == {"c2", "c3"}


async def test_the_last_use_of_a_client_is_found_by_whomever_it_was(one: Process, name: str) -> None:
    client = f"client-{name}"
    await (await modern(one, "tools/list", token=f"{name}@{client}")).answer()
    await one.runtime.last_seen.beat()

    def of_clients() -> dict[str, Use]:
        with connected() as redis:
            return last_seen.of_clients(redis, [client, "never-used"])

    found = await asyncio.to_thread(of_clients)
    assert {key: use.username for key, use in found.items()} == {client: name}


@pytest.mark.parametrize("how", ["access", "person", "client"])
async def test_it_is_forgotten_with_the_access_the_person_or_the_client(
    one: Process, name: str, how: str
) -> None:
    client = f"client-{name}"
    await (await modern(one, "tools/list", token=f"{name}@{client}")).answer()
    assert await uses(one, name)
    forget: dict[str, Callable[[], Any]] = {
        "access": lambda: withdrawal.end_access([], [], [(client, name)], ISSUER),
        "person": lambda: last_seen.forget_person(ISSUER, name),
        "client": lambda: last_seen.forget_client(client),
    }
    await asyncio.to_thread(forget[how])
    assert not await uses(one, name)
    assert not await one.runtime.redis.exists(keys.used(client))


async def test_what_a_process_has_not_written_yet_is_forgotten_with_the_token(
    one: Process, name: str
) -> None:
    await (await modern(one, "tools/list", token=name)).answer()
    await awithdraw_tokens([checksum(name)])
    assert not await uses(one, name)


async def test_what_is_withdrawn_while_it_is_written_is_forgotten_as_well(
    one: Process, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await modern(one, "tools/list", token=f"{name}@c1")).answer()
    await (await modern(one, "tools/list", token=f"{name}@c2")).answer()

    async def withdraw_and_write(*arguments: Any) -> None:
        await awithdraw_tokens([checksum(f"{name}@c1")])
        await eventually(lambda: len(one.runtime.last_seen._waiting) == 1)
        monkeypatch.setattr(writing, "in_portions", in_portions)
        await in_portions(*arguments)

    monkeypatch.setattr(writing, "in_portions", withdraw_and_write)
    assert [use.client for use in await uses(one, name)] == ["c2"]
    assert not await one.runtime.redis.zscore(keys.used("c1"), Person(ISSUER, name).key)


async def test_nothing_is_kept_if_the_setting_says_so(mcp_settings: Any, one: Process, name: str) -> None:
    mcp_settings.MCP_LAST_SEEN_SECONDS = 0
    await (await modern(one, "tools/list", token=name)).answer()
    assert not await uses(one, name)


async def test_the_command_lists_people_and_clients_as_a_table_and_as_json(one: Process, name: str) -> None:
    await (await modern(one, "tools/list", token=f"{name}@c1")).answer()
    await one.runtime.last_seen.beat()

    def run(*arguments: str) -> str:
        out = StringIO()
        call_command("activity", "--user", name, *arguments, stdout=out)
        return out.getvalue()

    table, as_json = await asyncio.to_thread(run), await asyncio.to_thread(run, "--json")
    heading, line = table.splitlines()
    assert heading.split()[:3] == ["LAST", "SEEN", "USER"]
    assert all(text in line for text in (name, "c1", MODERN, "Streamable HTTP", "test 1"))
    [found] = json.loads(as_json)
    assert (found["username"], found["client"], found["revision"]) == (name, "c1", MODERN)
    assert found["seconds_ago"] < 60


async def test_what_cannot_be_read_is_left_out(one: Process, name: str) -> None:
    await (await modern(one, "tools/list", token=name)).answer()
    await one.runtime.last_seen.beat()
    key = keys.seen(Person(ISSUER, name).key)
    await one.runtime.redis.hset(key, mapping={"other": "{", "another": '{"at": "x"}'})
    assert len(await uses(one, name)) == 1


@pytest.mark.parametrize("at", ["1e300", "Infinity", str(10**30), "-1e300"])
async def test_a_time_that_no_calendar_has_is_left_out(one: Process, name: str, at: str) -> None:
    await (await modern(one, "tools/list", token=name)).answer()
    await one.runtime.last_seen.beat()
    await one.runtime.redis.hset(keys.seen(Person(ISSUER, name).key), "other", f'{{"at": {at}}}')
    assert len(await uses(one, name)) == 1


async def test_a_key_of_another_type_hides_only_the_person_that_it_belongs_to(
    one: Process, name: str
) -> None:
    await (await modern(one, "tools/list", token=name)).answer()
    await one.runtime.last_seen.beat()
    damaged = keys.seen(Person(ISSUER, f"{name}-damaged").key)
    await one.runtime.redis.set(damaged, "x", ex=60)

    def everything() -> list[str]:
        with connected() as redis:
            return [use.username for use in last_seen.everything(redis, limit=10_000)[0]]

    try:
        assert name in await asyncio.to_thread(everything)
        assert await asyncio.to_thread(uses_of, f"{name}-damaged") == []
    finally:
        await one.runtime.redis.delete(damaged)
