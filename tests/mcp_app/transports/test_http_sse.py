"""HTTP+SSE of 2024-11-05: the session behind GET /sse and POST /message."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mcp_app.exceptions import Store, Unavailable
from mcp_app.protocol.serve import serve
from mcp_app.sessions import keys
from mcp_app.sessions.events import PENDING, new_http_sse_reply_stream
from tests.mcp_app.transports.support import (
    Held,
    Process,
    call_held,
    headers_for,
    initialize,
    notification,
    open_of,
    text_of,
)
from tests.support.asgi import Response
from tests.support.waiting import eventually


class Client:
    """A client with its stream open; `position` is where its stream can be resumed."""

    def __init__(self, stream: Response, session: str, position: str) -> None:
        self.stream = stream
        self.session = session
        self.position = position

    @classmethod
    async def connect(cls, at: Process, last_event_id: str | None = None) -> Client:
        headers = headers_for(accept="text/event-stream", last_event_id=last_event_id)
        stream = await at.http.request("GET", "/sse", headers=headers)
        opening = await stream.next_block()
        assert opening is not None
        assert opening.id is not None
        assert opening.data is not None
        return cls(stream, opening.data.partition("sessionId=")[2], opening.id)

    @classmethod
    async def open(cls, at: Process) -> Client:
        """One that has initialized."""
        client = await cls.connect(at)
        await client.post(at, initialize("2024-11-05"))
        await client.stream.next_message()
        await client.post(at, notification("notifications/initialized"))
        return client

    async def post(self, at: Process, message: Any) -> Response:
        path = f"/message?sessionId={self.session}"
        return await at.http.request("POST", path, headers=headers_for(), body=json.dumps(message).encode())


async def _say(at: Process, client: Client, method: str) -> None:
    await at.runtime.log.append(client.session, PENDING, notification(method))


async def test_reconnecting_ends_the_connection_that_it_replaces(one: Process, other: Process) -> None:
    first = await Client.connect(one)
    second = await Client.connect(other, first.position)
    assert second.session == first.session
    assert await first.stream.messages() == []
    await _say(one, second, "notifications/n")
    assert (await second.stream.next_message())["method"] == "notifications/n"


async def test_of_connections_that_resume_at_once_only_the_latest_gets_the_messages(
    one: Process, other: Process
) -> None:
    first = await Client.connect(one)
    await other.runtime.start()
    resumed = await asyncio.gather(*(Client.connect(at, first.position) for at in (one, other, one, other)))
    streams = [each.stream for each in resumed]
    await eventually(lambda: len(open_of(streams)) == 1)
    [latest] = [each for each in resumed if [each.stream] == open_of(streams)]
    await _say(one, latest, "notifications/n")
    assert (await latest.stream.next_message())["method"] == "notifications/n"
    assert [await each.stream.messages() for each in resumed if each is not latest] == [[]] * 3


async def test_a_call_that_could_not_be_registered_is_refused_and_has_not_run(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await Client.open(one)
    held = Held(one)
    write = one.runtime.registry.write

    async def register_and_lose_the_reply(*args: Any, **options: Any) -> str | None:
        position = await write(*args, **options)
        if not options.get("is_first"):
            return position
        raise Unavailable(Store.SESSIONS, "the reply is late")

    monkeypatch.setattr(one.runtime.registry, "write", register_and_lose_the_reply)
    assert (await client.post(one, call_held(quiet=True))).status == 503
    await eventually(lambda: len(one.runtime.calls) == 0)
    assert held.runs == 0

    async def is_forgotten() -> bool:
        return not await one.runtime.redis.exists(keys.calls(client.session))

    await eventually(is_forgotten)


async def test_a_call_above_the_limit_fails_on_the_stream_and_the_client_continues(
    one: Process, mcp_settings: Any
) -> None:
    mcp_settings.MCP_MAX_CALLS = 1
    client = await Client.open(one)
    held = Held(one)
    assert (await client.post(one, call_held(id=1, quiet=True))).status == 202
    assert (await client.post(one, call_held(id="two", quiet=True))).status == 202
    refused = await client.stream.next_message()
    assert refused["id"] == "two"
    assert refused["error"]["data"] == {"limit": "MCP_MAX_CALLS", "value": 1}
    held.go.set()
    answer = await client.stream.next_message()
    assert (answer["id"], text_of(answer)) == (1, "result")
    assert held.runs == 1


async def test_what_a_client_missed_is_sent_when_it_reconnects(one: Process, other: Process) -> None:
    client = await Client.open(one)
    held = Held(one)
    assert (await client.post(one, call_held())).status == 202
    seen = await client.stream.next_event()
    await client.stream.drop()
    held.go.set()
    await eventually(lambda: len(one.runtime.calls) == 0)
    await _say(one, client, "notifications/n")
    back = await Client.connect(other, seen.id)
    assert back.session == client.session
    assert (await back.stream.next_message())["method"] == "notifications/progress"
    assert text_of(await back.stream.next_message()) == "result"
    assert (await back.stream.next_message())["method"] == "notifications/n"


async def test_a_lost_call_is_answered_on_the_stream_of_its_session(
    one: Process, other: Process, mcp_settings: Any
) -> None:
    mcp_settings.MCP_LEASE_SECONDS = 1.0
    client = await Client.open(other)
    Held(one)
    assert (await client.post(one, call_held())).status == 202
    await client.stream.next_message()
    await one.runtime.calls.stop()  # without a word to Redis, as by SIGKILL
    answer = await client.stream.next_message()
    assert (answer["id"], answer["error"]["data"]) == (1, {"reason": "worker_lost"})


async def test_a_client_that_missed_more_events_than_are_kept_gets_a_new_session(
    one: Process, mcp_settings: Any
) -> None:
    mcp_settings.MCP_EVENT_LOG_BYTES = 10_000
    client = await Client.open(one)
    await client.stream.drop()
    for _ in range(4):
        message = {"jsonrpc": "2.0", "method": "notifications/n", "params": {"text": "x" * 4_000}}
        await one.runtime.log.append(client.session, new_http_sse_reply_stream(), message)
    assert (await Client.connect(one, client.position)).session != client.session


async def test_a_client_with_a_position_in_the_future_gets_a_new_session(one: Process) -> None:
    """It would get none of the events until then."""
    first = await Client.connect(one)
    future = first.position.replace("_0-0", "_9999999999999-0")
    assert future != first.position
    assert (await Client.connect(one, future)).session != first.session
    assert (await Client.connect(one, first.position)).session == first.session


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/sse", "/sse/"])
async def test_a_post_to_the_stream_is_refused_with_the_url_of_streamable_http(
    one: Process, method: str, path: str
) -> None:
    response = await one.http.request(
        method, path, headers=headers_for(), body=json.dumps(initialize()).encode()
    )
    assert response.status == 405
    assert response.headers["allow"] == "GET"
    assert "http://localhost:3232/mcp" in (await response.json())["error"]["message"]


async def test_a_session_that_ends_while_the_body_arrives_runs_nothing(one: Process) -> None:
    client = await Client.open(one)
    held = Held(one)
    body = json.dumps(call_held(quiet=True)).encode()
    statuses: list[int] = []

    async def receive_late() -> dict[str, Any]:
        await one.runtime.sessions.end(client.session)
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/message",
        "query_string": f"sessionId={client.session}".encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers_for().items()],
    }
    await one.http.app(scope, receive_late, send)
    assert statuses == [404]
    assert held.runs == 0


async def test_a_session_that_ends_during_initialize_does_not_come_back(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await Client.connect(one)

    async def serve_while_an_operator_ends_the_session(*args: Any, **options: Any) -> Any:
        outcome = await serve(*args, **options)
        await one.runtime.sessions.end(client.session)
        return outcome

    monkeypatch.setattr("mcp_app.calls.initialize.serve", serve_while_an_operator_ends_the_session)
    await client.post(one, initialize())
    assert not await one.runtime.redis.exists(keys.record(client.session))


async def test_the_parameters_of_initialize_are_known_at_every_process(one: Process, other: Process) -> None:
    client = await Client.connect(one)
    await other.runtime.start()
    record = await other.runtime.sessions.get(client.session)
    assert record is not None
    assert record.client_params is None
    async with asyncio.timeout(5):
        await client.post(one, initialize("2024-11-05"))
        answer = await client.stream.next_message()
    assert answer["result"]["protocolVersion"] == "2024-11-05"
    record = await other.runtime.sessions.get(client.session)
    assert record is not None
    assert record.client_params is not None
