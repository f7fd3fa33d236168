"""How sessions and access end: immediately, on every process, and with nothing left behind."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx2
import pytest
import redis

from tests.mcp_app.transports.support import initialize, notification, request, text_of, tool_call
from tests.processes.support import (
    APPLICATION,
    Diary,
    Identity,
    Person,
    Session,
    Site,
    answer_to,
    with_settings,
)
from tests.support.processes import ServerProcess
from tests.support.waiting import eventually

AT_ONCE = 1.0
"""Seconds within which access has ended everywhere; what is remembered would last five times as long."""


async def test_delete_ends_a_session_on_all_processes_immediately_and_cancels_its_calls(
    site: Site, alice: Person, diary: Diary
) -> None:
    one, other = (server.url for server in site.servers)
    session = await alice.open(one)
    bystander = await alice.open(one)
    listening = [await session.listen(at) for at in (one, other)]
    arguments = {"diary": str(diary.path), "seconds": 60}
    running = await session.post(one, tool_call("harmful", arguments, id=1, progress=1))
    await running.next_message()
    asking = await session.post(other, tool_call("test_sampling", {"prompt": "Hm"}, id=2))
    question = await asking.next_message()
    unaffected = await bystander.post(one, tool_call("test_sampling", {"prompt": "Hm"}, id=2))
    theirs = await unaffected.next_message()

    assert (await session.delete(other)).status == 204
    ended_at = time.monotonic()
    for at in (one, other):
        await eventually(partial(_has_status, session, at, 404), within=AT_ONCE)
    for stream in (*listening, running, asking):
        assert [block.message for block in await stream.blocks() if block.data] == []
        assert not stream.was_cut
    assert time.monotonic() - ended_at < 2 * AT_ONCE + 1
    for message in (request("ping"), answer_to(question)):
        assert (await session.post(one, message)).status == 404
    assert (await session.delete(one)).status == 404
    with site.redis() as store:

        def nothing_is_left() -> bool:
            return not list(store.scan_iter(f"*{session.id}*"))

        await eventually(nothing_is_left)  # the calls are cancelled, and so renew no lease
    assert (await bystander.post(other, answer_to(theirs))).status == 202
    assert text_of((await unaffected.messages())[-1]) == "LLM response: To Hm"


async def _has_status(session: Session, at: str, status: int) -> bool:
    return await session.ping(at) == status


async def _revoke(site: Site, who: Identity, token: str) -> None:
    async with httpx2.AsyncClient(base_url=site.url) as http:
        answer = await http.post("/revoke", data={"client_id": who.client_id, "token": token})
    assert answer.status_code == 200


async def _refused_at(session: Session, at: str) -> float:
    """When a process first refused the token.

    Requests come so often that the cached token is never refreshed by itself.
    """
    while True:
        status = await session.ping(at)
        if status == 401:
            return time.time()
        assert status == 200
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", ["token", "refresh_token"])
async def test_a_token_revoked_by_its_client_is_refused_within_a_second_on_every_process(
    site: Site, client_of: Any, kind: str
) -> None:
    who = await site.sign_in("mallory")
    client: Person = client_of(who)
    session = await client.open(site.servers[0].url)
    for server in site.servers:
        assert await session.ping(server.url) == 200
    await _revoke(site, who, getattr(who, kind))
    async with asyncio.timeout(AT_ONCE):
        await asyncio.gather(*(_refused_at(session, server.url) for server in site.servers))
    answer = await client.send("POST", f"{site.servers[1].url}/mcp", message=initialize())
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


WAYS = {
    "deactivates the user": "user.is_active = False; user.save()",
    "deletes the user": "user.delete()",
    "disables the client": "client.disable()",
    "deletes the client": "client.delete()",
    "deletes the token": "AccessToken.objects.filter(application=client).delete()",
}

OPERATOR = """
import time
from django.contrib.auth import get_user_model
from oauth_app.models import AccessToken, Client
user = get_user_model().objects.get(username="{person}")
client = Client.objects.get(client_id="{client_id}")
{what}
print(time.time())
"""


async def test_a_token_revoked_by_an_operator_is_refused_within_a_second_on_every_process(
    site: Site, client_of: Any
) -> None:
    """In a separate process, as the admin, a command or a shell does it."""
    people = {way: await site.sign_in(f"victim{number}") for number, way in enumerate(WAYS)}
    asking: dict[str, list[asyncio.Task[float]]] = {}
    for way, who in people.items():
        client: Person = client_of(who)
        session = await client.open(site.servers[0].url)
        asking[way] = [asyncio.create_task(_refused_at(session, server.url)) for server in site.servers]
    code = "".join(
        OPERATOR.format(person=who.person, client_id=who.client_id, what=WAYS[way])
        for way, who in people.items()
    )
    try:
        done = await asyncio.to_thread(site.installation.run, "shell", "--no-imports", "-c", code)
        async with asyncio.timeout(AT_ONCE):
            for way, withdrawn_at in zip(WAYS, map(float, done.stdout.split()), strict=True):
                for task in asking[way]:
                    assert await task - withdrawn_at < AT_ONCE, way
    finally:
        for task in itertools.chain(*asking.values()):
            task.cancel()


async def test_the_streams_and_sessions_of_revoked_access_end(site: Site, client_of: Any) -> None:
    who = await site.sign_in("trudy")
    client: Person = client_of(who)
    one, other = (server.url for server in site.servers)
    session = await client.open(one)
    listening = await session.listen(other)
    running = await session.post(one, tool_call("test_sampling", {"prompt": "Hm"}))
    await running.next_message()
    await _revoke(site, who, who.token)
    async with asyncio.timeout(3 * AT_ONCE):
        _, answered = await asyncio.gather(listening.blocks(), running.messages())
    assert answered[-1]["error"]["code"] == -32600
    with site.redis() as store:

        def nothing_is_left() -> bool:
            return not list(store.scan_iter(f"*{session.id}*"))

        await eventually(nothing_is_left, within=3 * AT_ONCE)


IDLE_SECONDS = 3
MAX_SECONDS = 7


@pytest.fixture
def short_lived(site: Site) -> Iterator[ServerProcess]:
    """A process whose sessions do not live long."""
    made = with_settings(
        site.installation,
        MCP_SESSION_IDLE_SECONDS=IDLE_SECONDS,
        MCP_SESSION_MAX_SECONDS=MAX_SECONDS,
        MCP_CACHE_SECONDS=0.5,
        MCP_LEASE_SECONDS=2.0,
        MCP_KEEP_ALIVE_SECONDS=1.0,
    )
    server = ServerProcess(made, application=APPLICATION)
    server.start()
    yield server
    server.kill()


def _has_no_key(store: redis.Redis, session_id: str) -> bool:
    return not list(store.scan_iter(f"*{session_id}*"))


async def test_an_idle_session_has_no_data_and_can_be_used_until_its_maximum_age(
    short_lived: ServerProcess, site: Site, alice: Person
) -> None:
    at = short_lived.url
    begun = time.monotonic()
    idle, busy, listened_to = [await alice.open(at) for _ in range(3)]
    listening = await listened_to.listen(at)
    with site.redis() as store:

        async def holds_nothing(session: Session) -> bool:
            return list(store.scan_iter(f"*{session.id}*")) == [f"session:{{{session.id}}}"]

        async def use() -> float:
            """The age at which a session in constant use ended."""
            await eventually(partial(_has_status, busy, at, 404), within=MAX_SECONDS + 5)
            return time.monotonic() - begun

        using = asyncio.create_task(use())
        await eventually(partial(holds_nothing, idle), within=IDLE_SECONDS + 2)
        assert not using.done()
        assert not await holds_nothing(listened_to), "an open stream is a use"
        assert await idle.ping(at) == 200, "its client comes back"
        assert MAX_SECONDS - 1.5 <= await using <= MAX_SECONDS + 2
        await listening.blocks()  # to the end
        assert time.monotonic() - begun < MAX_SECONDS + 3
        for session in (idle, busy, listened_to):
            assert await session.ping(at) == 404
            # Whoever had a copy stays in the directory for a moment longer.
            await eventually(partial(_has_no_key, store, session.id), within=5)


async def test_after_a_busy_run_every_key_has_an_expiry(
    site: Site, alice: Person, bob: Person, diary: Diary
) -> None:
    one, other = (server.url for server in site.servers)

    async def be_busy(person: Person, at: str, elsewhere: str) -> None:
        session = await person.open(at)
        listening = await session.listen(elsewhere)
        uri = "test://static/resource/1"
        for message in (
            request("logging/setLevel", {"level": "debug"}),
            request("resources/subscribe", {"uri": uri}),
            request("resources/unsubscribe", {"uri": uri}),
            notification("notifications/cancelled", {"requestId": 99}),
            tool_call("test_trigger_tool_change"),
            tool_call("test_tool_with_logging"),
            tool_call("test_reconnection"),
            tool_call("gzip-file-as-resource", {"data": "data:,x", "name": "x.gz"}),
            tool_call("create-note", {"title": "t", "text": "x"}),
            tool_call("harmless", {"diary": str(diary.path), "seconds": 0.3}, progress=1),
        ):
            await (await session.post(elsewhere, message)).body()
        asking = await session.post(at, tool_call("test_elicitation", {"message": "x"}))
        await session.post(elsewhere, answer_to(await asking.next_message()))
        await asking.messages()
        waits = await session.post(at, tool_call("test_sampling", {"prompt": "for ever"}))
        await waits.next_message()
        await listening.drop()
        sse = await person.send("GET", f"{at}/sse")
        await sse.next_block()
        await sse.drop()

    await asyncio.gather(*(be_busy(*who) for who in ((alice, one, other), (bob, other, one)) * 3))
    with site.redis() as store:
        kinds = {key.partition("{")[0] for key in store.scan_iter(count=1000)}
        assert {"session:", "mcp:events:", "mcp:calls:", "mcp:lease:", "mcp:asked:"} <= kinds
        assert [key for key in store.scan_iter(count=1000) if store.ttl(key) == -1] == []
