"""What crashes the reference server, or gives strangers access to it, has no effect here.

Calls while Redis is stalled are in test_redis_trouble.py; the official conformance suite has a folder of
its own.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from tests.mcp_app.transports.support import request, text_of, tool_call
from tests.processes import COUNTS
from tests.processes.support import PATIENCE, Diary, Person, Site, pid_of
from tests.support.browser import Browser
from tests.support.client import REDIRECT_URI
from tests.support.waiting import eventually

VERIFIER = "correct-horse-battery-staple-correct-horse-battery"


@pytest.fixture
async def anyone(site: Site) -> Any:
    """A client without a token."""
    async with httpx2.AsyncClient(base_url=site.url, timeout=PATIENCE) as http:
        yield http


async def _still_the_same_processes(site: Site) -> None:
    async with httpx2.AsyncClient(timeout=PATIENCE) as http:
        for server in site.servers:
            assert (await http.get(server.url + COUNTS)).json()["process"] == pid_of(server)


@pytest.mark.parametrize("query", ["?code=x&state=unknown", "?state=unknown", "?error=x", "", "?state=%00"])
async def test_a_callback_with_an_unknown_state_is_refused_and_ends_nothing(
    site: Site, anyone: httpx2.AsyncClient, query: str
) -> None:
    for _ in site.servers:
        assert (await anyone.get(f"/fakeupstreamauth/callback{query}")).status_code == 400
    await _still_the_same_processes(site)


async def test_clients_that_disconnect_in_mid_call_end_nothing(
    site: Site, alice: Person, diary: Diary
) -> None:
    sessions = [await alice.open(server.url) for server in site.servers]
    for server, session in zip(site.servers, sessions, strict=True):
        for number in range(10):
            arguments = {"diary": str(diary.path), "seconds": 0.3}
            running = await session.post(
                server.url, tool_call("harmful", arguments, id=number, progress=number)
            )
            await running.drop()
    await eventually(lambda: len(diary.runs) == 10 * len(site.servers))
    await _still_the_same_processes(site)
    with site.redis() as store:
        running_calls = [f"mcp:calls:{{{session.id}}}" for session in sessions]
        await eventually(lambda: not store.exists(*running_calls))  # each came to its end


async def test_the_ids_1_and_1_as_text_are_two_requests(site: Site, alice: Person) -> None:
    one, other = (server.url for server in site.servers)
    session = await alice.open(one)
    for at in ((one, one), (one, other)):
        number, text = await asyncio.gather(
            session.post(at[0], tool_call("test_sampling", {"prompt": "number"}, id=1)),
            session.post(at[1], tool_call("longRunningOperation", {"duration": 0.6, "steps": 1}, id="1")),
        )
        question = await number.next_message()
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "1"}}
        assert question["params"]["messages"][0]["content"]["text"] == "number"
        assert (await session.post(at[1], cancelled)).status == 202
        assert await text.messages() == []
        result = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "still here"}}
        await session.post(at[1], {"jsonrpc": "2.0", "id": question["id"], "result": result})
        (answer,) = await number.messages()
        assert answer["id"] == 1
        assert text_of(answer) == "LLM response: still here"


async def test_dropped_streams_leak_no_redis_connection(site: Site, alice: Person) -> None:
    with site.redis() as store:

        async def connections_after_a_round() -> int:
            for server in site.servers:
                session = await alice.open(server.url)
                streams = await asyncio.gather(*(session.listen(server.url) for _ in range(20)))
                await asyncio.gather(*(stream.drop() for stream in streams))
            await eventually(lambda: not list(store.scan_iter("mcp:streams:*")))  # all have been seen to go
            return len(store.client_list())

        # A pool grows as long as more happens at the same time than before; a leak grows with every round.
        counts = [await connections_after_a_round()]
        while len(counts) < 10:
            counts.append(await connections_after_a_round())
            if counts[-1] <= counts[-2]:
                return
        raise AssertionError(f"more connections after every round: {counts}")


async def test_open_streams_have_no_redis_connection_of_their_own(site: Site, alice: Person) -> None:
    with site.redis() as store:
        session = await alice.open(site.servers[0].url)
        before = len(store.client_list())
        for _ in range(20):
            await session.listen(site.servers[0].url)
        assert len(store.client_list()) < before + 10


async def test_progress_goes_only_to_the_stream_of_its_own_call(site: Site, alice: Person) -> None:
    one, other = (server.url for server in site.servers)
    session = await alice.open(one)
    listening = [await session.listen(at) for at in (one, other)]
    calls = [
        await session.post(at, tool_call("test_tool_with_progress", id=token, progress=token))
        for token, at in (("a", one), ("b", other), ("c", one))
    ]
    for token, call in zip("abc", calls, strict=True):
        *progress, answer = await call.messages()
        assert [message["params"]["progressToken"] for message in progress] == [token] * 3
        assert answer["id"] == token
    await session.call(one, "test_trigger_tool_change")  # something else, so that there is an end to wait for
    heard = await listening[1].next_message()
    assert heard["method"] == "notifications/tools/list_changed"
    await session.delete(one)
    silent = Counter(block.message["method"] for block in await listening[0].blocks() if block.data)
    assert silent["notifications/progress"] == 0


async def test_a_refresh_token_cannot_be_used_twice(site: Site, anyone: httpx2.AsyncClient) -> None:
    carol = await site.sign_in("carol")
    form = {
        "grant_type": "refresh_token",
        "client_id": carol.client_id,
        "refresh_token": carol.refresh_token,
    }
    first = await anyone.post("/token", data=form)
    assert first.status_code == 200
    again = await anyone.post("/token", data=form)
    assert again.status_code == 400
    assert again.json()["error"] == "invalid_grant"
    # Whoever has stolen it, has nothing of it: the family has ended, on every process.
    renewed = {"Authorization": f"Bearer {first.json()['access_token']}"}
    for server in site.servers:
        answer = await anyone.post(f"{server.url}/mcp", headers=renewed, json=request("ping"))
        assert answer.status_code == 401


async def test_a_client_cannot_revoke_the_token_of_another(
    site: Site, alice: Person, bob: Person, anyone: httpx2.AsyncClient
) -> None:
    session = await alice.open(site.url)
    victim = alice.identity
    for identity in (bob.identity, site.people["alice elsewhere"]):
        for token in (victim.token, victim.refresh_token):
            answer = await anyone.post("/revoke", data={"client_id": identity.client_id, "token": token})
            assert answer.status_code in (200, 400)  # RFC 7009 §2.2: it is no error to revoke nothing
    for server in site.servers:
        assert await session.ping(server.url) == 200
    form = {
        "grant_type": "refresh_token",
        "client_id": bob.identity.client_id,
        "refresh_token": victim.refresh_token,
    }
    assert (await anyone.post("/token", data=form)).status_code == 400


async def test_the_redirect_uri_is_compared_when_the_code_is_redeemed(
    site: Site, anyone: httpx2.AsyncClient
) -> None:
    elsewhere = "http://127.0.0.1:33419/elsewhere"
    metadata = {"redirect_uris": [REDIRECT_URI, elsewhere], "token_endpoint_auth_method": "none"}
    registered = await anyone.post("/register", json=metadata)
    client_id = registered.json()["client_id"]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": REDIRECT_URI,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": "xyz",
        "resource": f"{site.url}/mcp",
    }

    async def redeem(redirect_uri: str | None) -> httpx2.Response:
        async with Browser("dave") as browser:
            back = await browser.authorize(f"{site.url}/authorize?{urlencode(query)}", REDIRECT_URI)
        form = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": parse_qs(urlsplit(back).query)["code"][0],
            "code_verifier": VERIFIER,
        }
        more = {} if redirect_uri is None else {"redirect_uri": redirect_uri}
        return await anyone.post("/token", data=form | more)

    refused = await redeem(elsewhere)
    assert refused.status_code == 400
    assert "access_token" not in refused.text
    for right in (REDIRECT_URI, None):  # OAuth 2.1 §4.1.3 does not ask for it: PKCE binds the code
        assert (await redeem(right)).status_code == 200


async def test_introspection_needs_authentication(
    site: Site, alice: Person, anyone: httpx2.AsyncClient
) -> None:
    token = alice.identity.token
    for form in ({}, {"client_id": alice.identity.client_id}, {"client_id": site.people["bob"].client_id}):
        answer = await anyone.post("/introspect", data={"token": token, **form})
        assert answer.status_code in (401, 403)
        assert "active" not in answer.json()
    answer = await anyone.post("/introspect", data={"token": token}, headers=alice.identity.headers)
    assert answer.status_code in (401, 403)
