"""What happens to calls and streams whose token expires or is revoked while they are open."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp.shared.subscriptions import ToolsListChanged

from tests.mcp_app.transports.support import (
    LATEST,
    MODERN,
    OLDER,
    Held,
    Process,
    Session,
    call_held,
    headers_for,
    modern,
    withdraw,
    within,
)
from tests.support.asgi import Response
from tests.support.waiting import eventually

LISTEN = {"notifications": {"toolsListChanged": True}}
STREAMING = ("2025-11-25", "2025-03-26 batch", "resumed", MODERN)
LISTENING = ("2025-11-25", "2025-03-26", "HTTP+SSE", MODERN)


@pytest.fixture
def held(one: Process) -> Held:
    return Held(one)


async def _withdraw(at: Process, token: str = "alice") -> None:
    at.tokens.withdrawn.add(token)
    await withdraw(at, token)


async def _expire(at: Process) -> None:
    """Let the current tokens expire; a client has new ones."""
    at.tokens.expire()
    assert await at.runtime.tokens.verify("alice") is None


async def _begin(at: Process, kind: str) -> tuple[Response, list[int]]:
    """A call that has become a stream, and the ids of its unanswered requests."""
    if kind == MODERN:
        return await modern(at, "tools/call", call_held()["params"]), [1]
    session = await Session.open(at, revision=kind.split()[0] if kind != "resumed" else LATEST)
    if "batch" in kind:
        return await session.post(at, [call_held(id=1), call_held(id=2)]), [1, 2]
    stream = await session.post(at, call_held())
    if kind == "resumed":
        primed = await stream.next_block()
        assert primed is not None
        await stream.drop()
        stream = await session.get(at, primed.id)
    return stream, [1]


async def _listen(at: Process, kind: str) -> Response:
    if kind == MODERN:
        stream = await modern(at, "subscriptions/listen", LISTEN, id=7)
        assert (await stream.next_message())["method"] == "notifications/subscriptions/acknowledged"
        return stream
    if kind == "HTTP+SSE":
        stream = await at.http.request("GET", "/sse", headers=headers_for(accept="text/event-stream"))
    else:
        stream = await (await Session.open(at, revision=kind)).listen(at)
    assert await stream.next_block() is not None
    return stream


@pytest.mark.parametrize("kind", STREAMING)
async def test_a_call_outlives_its_token_and_answers_on_its_own_stream(
    one: Process, held: Held, kind: str
) -> None:
    stream, owed = await _begin(one, kind)
    await within(held.started.wait())
    await _expire(one)
    held.go.set()
    answers = [message for message in await stream.messages() if "id" in message]
    assert sorted(answer["id"] for answer in answers) == owed
    assert all(answer["result"]["content"][0]["text"] == "result" for answer in answers)


@pytest.mark.parametrize("revision", [LATEST, MODERN])
async def test_a_silent_call_outlives_its_token(one: Process, held: Held, revision: str) -> None:
    message = call_held(quiet=True)
    if revision == MODERN:
        calling = asyncio.create_task(modern(one, "tools/call", message["params"]))
    else:
        calling = asyncio.create_task((await Session.open(one)).post(one, message))
    await within(held.started.wait())
    await _expire(one)
    held.go.set()
    answer = await (await calling).answer()
    assert answer["result"]["content"][0]["text"] == "result"


@pytest.mark.parametrize("kind", LISTENING)
async def test_a_listening_stream_ends_with_its_token(one: Process, kind: str) -> None:
    one.tokens.lifetime = 1.0  # real time: the stream itself must know when to end
    stream = await _listen(one, kind)

    async def has_expired() -> bool:
        return await one.runtime.tokens.verify("alice") is None

    await eventually(has_expired)
    await one.runtime.subscription_bus.publish(ToolsListChanged())
    messages = await stream.messages()
    if kind == MODERN:
        [last] = messages
        assert last["id"] == 7
        assert last["result"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": 7}
    else:
        assert messages == []


@pytest.mark.quick
@pytest.mark.parametrize("kind", STREAMING)
async def test_after_a_revocation_a_stream_ends_with_errors_for_its_requests_and_the_call_stops(
    one: Process, held: Held, kind: str
) -> None:
    stream, owed = await _begin(one, kind)
    await within(held.started.wait())
    await _withdraw(one)
    answers = [message for message in await stream.messages() if "id" in message]
    assert sorted(answer["id"] for answer in answers) == owed
    assert all(answer["error"]["code"] == -32600 for answer in answers)
    await within(held.ended.wait())
    assert held.was_cancelled


@pytest.mark.parametrize("revision", OLDER)
async def test_a_client_that_resumes_after_the_error_of_a_revocation_gets_no_second_response(
    one: Process, held: Held, revision: str
) -> None:
    session = await Session.open(one, revision=revision)
    stream = await session.post(one, call_held())
    await within(held.started.wait())
    await _withdraw(one)
    events = [event async for event in stream.events()]
    assert events[-1].message["error"]["code"] == -32600
    await eventually(lambda: len(one.runtime.calls) == 0)
    session.token = "alice@client"  # hers, for the same client
    *_, last_event_id = [event.id for event in events if event.id]
    resumed = await session.get(one, last_event_id)
    assert (resumed.status, await resumed.body()) == (204, b"")


@pytest.mark.parametrize("revision", [LATEST, MODERN])
async def test_after_a_revocation_a_call_without_messages_is_refused_with_a_challenge(
    one: Process, held: Held, revision: str, mcp_settings: Any
) -> None:
    mcp_settings.MCP_STREAM_AFTER_SECONDS = 10.0
    message = call_held(quiet=True)
    if revision == MODERN:
        calling = asyncio.create_task(modern(one, "tools/call", message["params"]))
    else:
        calling = asyncio.create_task((await Session.open(one)).post(one, message))
    await within(held.started.wait())
    await _withdraw(one)
    refused = await calling
    assert refused.status == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    answer = await refused.json()
    assert (answer["id"], answer["error"]["code"]) == (1, -32600)
    await within(held.ended.wait())
    assert held.was_cancelled


@pytest.mark.quick
@pytest.mark.parametrize("kind", LISTENING)
async def test_after_a_revocation_a_listening_stream_ends(one: Process, kind: str) -> None:
    stream = await _listen(one, kind)
    await _withdraw(one)
    messages = await within(stream.messages())
    assert [message["id"] for message in messages] == ([7] if kind == MODERN else [])


async def test_an_unannounced_revocation_is_noticed_at_the_next_keep_alive(
    one: Process, held: Held, mcp_settings: Any
) -> None:
    mcp_settings.MCP_KEEP_ALIVE_SECONDS = 0.1
    mcp_settings.MCP_CACHE_SECONDS = 0.0
    stream, _ = await _begin(one, LATEST)
    await within(held.started.wait())
    one.tokens.withdrawn.add("alice")
    *_, last = await stream.messages()
    assert last["error"]["code"] == -32600
    await within(held.ended.wait())


async def test_a_disconnected_call_stops_too_and_a_new_token_can_fetch_the_error(
    one: Process, other: Process, held: Held
) -> None:
    session = await Session.open(one)
    stream = await session.post(one, call_held())
    primed = await stream.next_block()
    assert primed is not None
    await within(held.started.wait())
    await stream.drop()
    await _withdraw(one)
    await within(held.ended.wait())
    session.token = "alice@client"  # hers, for the same client
    resumed = await session.get(other, primed.id)
    *_, last = await resumed.messages()
    assert (last["id"], last["error"]["code"]) == (1, -32600)


async def test_another_token_of_the_same_user_keeps_working(one: Process, held: Held) -> None:
    stream = await modern(one, "tools/call", call_held()["params"], token="alice@client")
    await within(held.started.wait())
    await _withdraw(one, "alice")
    held.go.set()
    *_, last = await stream.messages()
    assert last["result"]["content"][0]["text"] == "result"
