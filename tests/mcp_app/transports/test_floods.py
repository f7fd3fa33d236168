"""Floods: what one person can do at once and in a while is limited over all processes, in every revision."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from mcp.server.mcpserver import Context
from mcp.types import ToolAnnotations
from mcp_types import JSONRPCRequest

from mcp_app.conf import conf
from mcp_app.coordination import keys, quotas
from mcp_app.coordination.allowance import CHARGED_BYTES
from mcp_app.coordination.limits import CALLS, STREAMS, Kind
from mcp_app.coordination.shares import PARTS, share_of
from mcp_app.extensions.tasks import keys as task_keys
from mcp_app.protocol.personal import Person
from mcp_app.sessions.events import new_standalone_stream
from tests.mcp_app.transports.support import (
    LATEST,
    MODERN,
    OLDER,
    Held,
    Process,
    Session,
    call_held,
    headers_for,
    initialize,
    modern,
    notification,
    open_of,
    request,
    text_of,
    tool_call,
    withdraw,
    within,
)
from tests.support.asgi import Response
from tests.support.tokens import ISSUER
from tests.support.waiting import eventually

ALICE = Person(ISSUER, "alice").key
IDEMPOTENT = ToolAnnotations(idempotent_hint=True)
EVENTS = {"accept": "text/event-stream"}
LISTEN = {"notifications": {"toolsListChanged": True}}


@pytest.fixture(autouse=True)
def no_time_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "RECLAIM_SECONDS", 0.1)
    monkeypatch.setattr(quotas, "PAUSE_SECONDS", 0.0)


@pytest.fixture(autouse=True)
async def clean(one: Process) -> AsyncIterator[None]:
    """Nothing is left of earlier tests of the same people, and nothing for later ones."""
    quota_keys = [keys.quota(person) for person in (ALICE, Person(ISSUER, "bob").key)]
    await one.runtime.redis.delete(*quota_keys)
    yield
    await one.runtime.redis.delete(*quota_keys)


@pytest.fixture
def slow(mcp_settings: Any) -> Any:
    """A rate of which nothing refills during a test. Opening a session takes two requests."""
    mcp_settings.MCP_REQUEST_RATE_SECONDS = 100_000.0
    return mcp_settings


class Client:
    """Calls tools in one revision."""

    def __init__(self, revision: str, token: str = "alice") -> None:
        self.revision = revision
        self.token = token
        self.session: Session | None = None

    async def post(self, at: Process, message: dict[str, Any]) -> Response:
        if self.revision == MODERN:
            params = dict(message.get("params") or {})
            return await modern(at, message["method"], params, id=message["id"], token=self.token)
        if self.session is None:
            self.session = await Session.open(at, self.token, self.revision)
        return await self.session.post(at, message)


async def assert_refused(response: Response, setting: str, value: int) -> None:
    assert (response.status, response.content_type) == (429, "application/json")
    assert int(response.headers["retry-after"]) >= 1
    error = (await response.json())["error"]
    assert error["code"] == -32600
    assert error["data"] == {"limit": setting, "value": value}
    assert setting in error["message"]


def used(at: Process, kind: Any = CALLS) -> int:
    account = at.runtime.quotas._accounts.get(ALICE)
    return 0 if account is None else account.units[kind].used


@pytest.mark.parametrize("revision", [*OLDER, MODERN])
async def test_the_calls_of_a_person_are_limited_over_all_processes_and_clients(
    one: Process, other: Process, mcp_settings: Any, revision: str
) -> None:
    mcp_settings.MCP_MAX_CALLS = 2
    held = [Held(one), Held(other)]
    clients = [Client(revision), Client(MODERN, "alice@another-client")]
    running = [await clients[n].post([one, other][n], call_held(id=n)) for n in range(2)]
    for at in (one, other):
        refused = await clients[0].post(at, call_held(id="third"))
        assert (await refused.json())["id"] == "third"
    for client in clients:
        await assert_refused(await client.post(other, call_held(id=4)), "MCP_MAX_CALLS", 2)
    assert held[0].runs + held[1].runs == 2
    neighbour = Client(revision, "bob")
    assert (await neighbour.post(one, tool_call("echo", {"message": "x"}))).status == 200
    for each in held:
        each.go.set()
    assert [text_of(await response.answer()) for response in running] == ["result", "result"]
    await eventually(lambda: used(one) + used(other) == 0)
    assert (await clients[0].post(other, tool_call("echo", {"message": "x"}))).status == 200


async def _finish(one: Process, other: Process, session: Session, held: Held, stream: Response) -> None:
    held.go.set()


async def _cancel(one: Process, other: Process, session: Session, held: Held, stream: Response) -> None:
    await session.post(other, notification("notifications/cancelled", {"requestId": 1}))


async def _end(one: Process, other: Process, session: Session, held: Held, stream: Response) -> None:
    assert (await session.delete(other)).status == 204


async def _withdraw(one: Process, other: Process, session: Session, held: Held, stream: Response) -> None:
    one.tokens.withdrawn.add("alice")
    await withdraw(other, "alice")


async def _drain(one: Process, other: Process, session: Session, held: Held, stream: Response) -> None:
    await one.runtime.calls.drain()


@pytest.mark.quick
@pytest.mark.parametrize("way", [_finish, _cancel, _end, _withdraw, _drain])
async def test_however_a_call_of_a_session_ends_it_is_counted_no_longer(
    one: Process,
    other: Process,
    session: Session,
    way: Callable[[Process, Process, Session, Held, Response], Awaitable[None]],
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    await stream.next_message()
    assert used(one) == 1
    await way(one, other, session, held, stream)
    await eventually(lambda: used(one) == 0)


async def test_a_call_that_is_taken_over_counts_where_it_runs_then(
    one: Process, other: Process, mcp_settings: Any
) -> None:
    mcp_settings.MCP_MAX_CALLS = 1
    session = await Session.open(one)
    Held(one, annotations=IDEMPOTENT)
    held = Held(other, annotations=IDEMPOTENT)
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    await one.runtime.calls.drain()
    resumed = await session.get(other, last.id)
    await within(held.started.wait())
    assert (used(one), used(other)) == (0, 1)
    await other.runtime.quotas.beat()
    one.runtime.quotas._accounts[ALICE].valid_until = 0.0  # as the unit that it had is leased no longer
    await assert_refused(await session.post(one, call_held(id=2)), "MCP_MAX_CALLS", 1)
    held.go.set()
    assert text_of(await resumed.answer()) == "result"
    await eventually(lambda: used(other) == 0)


async def test_a_call_of_a_session_whose_client_has_left_is_still_counted(
    one: Process, session: Session
) -> None:
    held = Held(one)
    await (await session.post(one, call_held())).drop()
    assert used(one) == 1
    held.go.set()
    await eventually(lambda: used(one) == 0)


@pytest.mark.quick
@pytest.mark.parametrize("way", ["result", "client leaves", "shutdown", "error"])
async def test_however_a_call_without_a_session_ends_it_is_counted_no_longer(one: Process, way: str) -> None:
    held = Held(one)
    if way == "error":
        await (await modern(one, "tools/call", {"name": "no such tool"})).json()
    else:
        response = await modern(one, "tools/call", call_held()["params"])
        await response.next_message()
        assert used(one) == 1
        if way == "result":
            held.go.set()
        elif way == "client leaves":
            await response.drop()
        else:
            await one.runtime.stateless_calls.drain()
    await eventually(lambda: used(one) == 0)


async def test_a_call_without_a_session_is_counted_until_its_handler_has_cleaned_up(one: Process) -> None:
    is_cleaning, may_end = asyncio.Event(), asyncio.Event()

    async def cleans_up(ctx: Context) -> str:
        await ctx.report_progress(1)
        try:
            await asyncio.Event().wait()
        finally:
            is_cleaning.set()
            await may_end.wait()
        return "never"

    one.runtime.server.add_tool(cleans_up, name="tidy", structured_output=False)
    response = await modern(one, "tools/call", tool_call("tidy", progress="p")["params"])
    await response.next_message()
    await response.abandon()
    await within(is_cleaning.wait())
    assert used(one) == 1
    may_end.set()
    await eventually(lambda: used(one) == 0)


async def test_a_call_that_is_cancelled_before_its_first_step_is_counted_no_longer(one: Process) -> None:
    session = await Session.open(one, revision="2025-03-26")
    held = Held(one)
    cancelled = notification("notifications/cancelled", {"requestId": 1})
    await (await session.post(one, [call_held(id=1), cancelled])).body()
    await eventually(lambda: used(one) == 0)
    assert held.runs == 0


async def test_a_call_that_could_not_be_registered_is_counted_no_longer(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await Session.open(one, revision="2025-03-26")
    Held(one)

    async def fail(*args: Any, **options: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(one.runtime.registry, "write", fail)
    assert (await session.post(one, [call_held(id=1), call_held(id=2)])).status == 500
    await eventually(lambda: used(one) == 0)


async def test_each_request_of_a_batch_counts(one: Process, slow: Any) -> None:
    slow.MCP_MAX_CALLS, slow.MCP_REQUEST_RATE = 3, 10
    session = await Session.open(one, revision="2025-03-26")
    Held(one)
    batch = [call_held(id=n) for n in range(4)]
    await assert_refused(await session.post(one, batch), "MCP_MAX_CALLS", 3)
    await assert_refused(await session.post(one, batch + batch), "MCP_REQUEST_RATE", 10)


async def test_each_message_of_a_batch_counts(one: Process, slow: Any) -> None:
    slow.MCP_REQUEST_RATE = 10
    session = await Session.open(one, revision="2025-03-26")
    batch = [notification("notifications/roots/list_changed") for _ in range(7)]
    assert (await session.post(one, batch)).status == 202
    assert (await session.post(one, request("ping"))).status == 200
    await assert_refused(await session.post(one, request("ping")), "MCP_REQUEST_RATE", 10)


async def test_retry_after_says_how_long_to_wait(one: Process, session: Session, slow: Any) -> None:
    slow.MCP_REQUEST_RATE, slow.MCP_REQUEST_RATE_SECONDS = 4, 1000.0
    one.runtime.quotas._accounts[ALICE].requests = 0
    await one.runtime.redis.delete(keys.quota(ALICE))
    for _ in range(4):
        assert (await session.post(one, request("ping"))).status == 200
    refused = [
        await session.post(one, request("ping")),
        await session.get(one),
        await one.http.request("GET", "/sse", headers=headers_for()),
        await modern(one, "ping"),
    ]
    assert [response.status for response in refused] == [429] * 4
    assert {response.headers["retry-after"] for response in refused} == {"250"}
    one.runtime.quotas.charge(ALICE, 3 * CHARGED_BYTES)
    owing = await session.get(one)
    assert (owing.status, owing.headers["retry-after"]) == (429, "1000")


async def test_past_the_rate_a_made_up_event_id_opens_no_session(one: Process, slow: Any) -> None:
    slow.MCP_REQUEST_RATE = 1
    stream = await one.http.request("GET", "/sse", headers=headers_for(**EVENTS))
    assert stream.status == 200
    known = await one.runtime.redis.zcard(f"mcp:sessions:{{{ALICE}}}")
    for made_up in ("x", f"{'0' * 48}.{new_standalone_stream('0' * 48)}/1-0"):
        headers = headers_for(last_event_id=made_up, **EVENTS)
        await assert_refused(await one.http.request("GET", "/sse", headers=headers), "MCP_REQUEST_RATE", 1)
    assert await one.runtime.redis.zcard(f"mcp:sessions:{{{ALICE}}}") == known


async def test_who_has_too_many_requests_waiting_to_be_counted_is_served_and_owes_them(
    one: Process, session: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held(one)
    running = await session.post(one, call_held(id=1))
    await running.next_message()
    monkeypatch.setattr(quotas, "_QUEUE_SECONDS", 0.05)
    account = one.runtime.quotas._accounts[ALICE]
    async with account.asking:  # as others ask Redis
        account.requests = 0
        for owed in range(1, 4):
            assert (await session.post(one, request("ping"))).status == 200
            assert account.left == -owed
        cancel = notification("notifications/cancelled", {"requestId": 1})
        assert (await session.post(one, cancel)).status == 202
        await within(held.ended.wait())
        assert held.was_cancelled
        assert (await session.delete(one)).status == 204
    assert "quota exceeded" not in caplog.messages
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_stream_of_which_redis_could_not_be_asked_in_time_is_refused_and_no_other_is_closed(
    one: Process, session: Session, mcp_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mcp_settings.MCP_MAX_STREAMS = 1
    stream = await session.listen(one)
    monkeypatch.setattr(quotas, "_QUEUE_SECONDS", 0.05)
    async with one.runtime.quotas._accounts[ALICE].asking:
        await assert_refused(await session.get(one), "MCP_REDIS_CONNECTIONS", conf.redis_connections)
    assert used(one, STREAMS) == 1
    assert open_of([stream])


async def test_past_the_rate_a_batch_is_refused_even_if_it_has_no_request(one: Process, slow: Any) -> None:
    slow.MCP_REQUEST_RATE = 2
    session = await Session.open(one, revision="2025-03-26")
    change = notification("notifications/roots/list_changed")
    await assert_refused(await session.post(one, [change, change]), "MCP_REQUEST_RATE", 2)
    assert (await session.post(one, [change])).status == 202


async def test_a_person_at_the_limit_of_calls_can_answer_cancel_ping_and_end(
    one: Process, other: Process, mcp_settings: Any
) -> None:
    mcp_settings.MCP_MAX_CALLS = 2
    session = await Session.open(one)
    held = Held(one)
    asking = await session.post(one, tool_call("test_sampling", {"prompt": "capital?"}))
    asked = await asking.next_message()
    running = await session.post(one, call_held(id=2))
    await running.next_message()
    await assert_refused(await session.post(other, call_held(id=3)), "MCP_MAX_CALLS", 2)
    assert (await session.post(other, request("ping", id=4))).status == 200
    answer = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}}
    assert (await session.post(other, {"jsonrpc": "2.0", "id": asked["id"], "result": answer})).status == 202
    assert text_of(await asking.answer()) == "LLM response: Paris"
    await session.post(other, notification("notifications/cancelled", {"requestId": 2}))
    await within(held.ended.wait())
    assert held.was_cancelled
    assert (await session.delete(other)).status == 204


@pytest.mark.parametrize(
    ("method", "revision", "kinds"),
    [
        ("ping", LATEST, []),
        ("ping", MODERN, []),
        ("subscriptions/listen", MODERN, [STREAMS]),
        ("subscriptions/listen", LATEST, [CALLS]),  # where it is unknown
    ],
)
async def test_what_is_not_limited_as_a_call_is_not_counted_as_one(
    one: Process, revision: str, method: str, kinds: list[Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[Kind] = []
    monkeypatch.setattr(one.runtime.quotas, "use", lambda person, kind: counted.append(kind))
    monkeypatch.setattr(one.runtime.quotas, "release", lambda person, kind: None)
    client = Client(revision)
    await client.post(one, request(method, LISTEN if method != "ping" else None))
    assert counted == kinds
    await client.post(one, tool_call("echo", {"message": "x"}))
    assert counted[-1:] == [CALLS]


async def test_a_flood_of_pings_makes_no_room_for_more_calls(one: Process, mcp_settings: Any) -> None:
    mcp_settings.MCP_MAX_CALLS = 2
    session = await Session.open(one)
    Held(one)
    record = await one.runtime.sessions.get(session.id)
    assert record is not None
    start = one.runtime.calls.start
    pings = [start(record, JSONRPCRequest(**request("ping", id=n)), {}, deferred=True) for n in range(9)]
    calls = await asyncio.gather(*(session.post(one, call_held(id=n)) for n in range(5)))
    for ping in pings:  # which waited for Redis, as over HTTP+SSE
        ping.release()
    await within(asyncio.gather(*(ping.task for ping in pings)))
    calls += await asyncio.gather(*(session.post(one, call_held(id=n)) for n in range(5, 9)))
    assert sorted(response.status for response in calls) == [200] * 2 + [429] * 7


@pytest.mark.parametrize("revision", [*OLDER, MODERN])
async def test_requests_past_the_rate_are_refused_at_every_process(
    one: Process, other: Process, slow: Any, revision: str
) -> None:
    slow.MCP_REQUEST_RATE = 3 if revision == MODERN else 5
    client = Client(revision)
    for at in (one, other, one):
        assert (await client.post(at, tool_call("echo", {"message": "x"}))).status == 200
    for at in (one, other):
        refused = await client.post(at, tool_call("echo", {"message": "x"}, id="late"))
        await assert_refused(refused, "MCP_REQUEST_RATE", slow.MCP_REQUEST_RATE)
    neighbour = Client(revision, "bob")
    assert (await neighbour.post(other, tool_call("echo", {"message": "x"}))).status == 200


async def test_past_the_rate_nothing_new_begins_and_everything_can_be_ended(
    one: Process, other: Process, session: Session, slow: Any
) -> None:
    held = Held(one)
    running = await session.post(one, call_held(id=1))
    last = await running.next_event()
    await running.drop()
    asking = await session.post(one, tool_call("test_sampling", {"prompt": "capital?"}, id=2))
    asked = await asking.next_message()
    slow.MCP_REQUEST_RATE = 1
    assert (await session.post(other, request("ping"))).status == 200
    one.runtime.quotas._accounts[ALICE].requests = 0  # it holds what a higher rate gave

    http, limit = other.http, ("MCP_REQUEST_RATE", 1)
    body = json.dumps(initialize()).encode()
    await assert_refused(await http.request("POST", headers=headers_for(), body=body), *limit)
    await assert_refused(await http.request("GET", "/sse", headers=headers_for()), *limit)
    await assert_refused(await modern(other, "subscriptions/listen", LISTEN), *limit)
    await assert_refused(await session.get(other), *limit)

    answer = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}}
    assert (await session.post(other, {"jsonrpc": "2.0", "id": asked["id"], "result": answer})).status == 202
    assert text_of(await asking.answer()) == "LLM response: Paris"
    resumed = await session.get(other, last.id)
    assert resumed.status == 200
    cancel = notification("notifications/cancelled", {"requestId": 1})
    assert (await session.post(other, cancel)).status == 202
    await within(held.ended.wait())
    assert held.was_cancelled
    assert (await session.delete(other)).status == 204


async def test_requests_past_the_rate_wait_and_past_the_number_that_may_wait_only_delete_passes(
    one: Process, session: Session, slow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow.MCP_REQUEST_RATE = 1
    one.runtime.quotas._accounts[ALICE].requests = 0
    await one.runtime.redis.delete(keys.quota(ALICE))
    assert (await session.post(one, request("ping"))).status == 200
    monkeypatch.setattr(quotas, "MAX_PAUSED", 0)
    refused = await session.post(one, notification("notifications/roots/list_changed"))
    await assert_refused(refused, "MCP_REQUEST_RATE", 1)
    assert (await session.delete(one)).status == 204


async def test_a_flood_of_anything_counts(one: Process, session: Session, slow: Any) -> None:
    slow.MCP_REQUEST_RATE = 3
    one.runtime.quotas._accounts[ALICE].requests = 0
    await one.runtime.redis.delete(keys.quota(ALICE))
    assert (await one.http.request("POST", headers=headers_for(), body=b"{")).status == 400
    assert (await Session("unknown").post(one, request("ping"))).status == 404
    assert (await one.http.request("PUT", headers=headers_for())).status == 405
    await assert_refused(await session.post(one, request("ping")), "MCP_REQUEST_RATE", 3)


async def test_a_flood_with_a_token_that_lacks_the_base_scope_counts(
    one: Process, slow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow.MCP_REQUEST_RATE = 2
    await one.runtime.redis.delete(keys.quota(Person(ISSUER, "wrong-scope").key))
    statuses = [(await modern(one, "ping", token="wrong-scope")).status for _ in range(2)]
    assert statuses == [403, 403]
    monkeypatch.setattr(quotas, "MAX_PAUSED", 0)
    refused = await modern(one, "ping", token="wrong-scope")
    await assert_refused(refused, "MCP_REQUEST_RATE", 2)


async def test_a_flood_is_logged_once(
    one: Process, session: Session, slow: Any, caplog: pytest.LogCaptureFixture
) -> None:
    slow.MCP_REQUEST_RATE = 1
    one.runtime.quotas._accounts[ALICE].requests = 0
    for _ in range(5):
        await session.post(one, request("ping"))
    [line] = [record for record in caplog.records if record.getMessage() == "quota exceeded"]
    assert (line.username, line.setting) == ("alice", "MCP_REQUEST_RATE")  # type: ignore[attr-defined]


async def test_a_request_past_the_rate_over_http_sse_fails_on_the_stream(
    one: Process, slow: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stream = await one.http.request("GET", "/sse", headers=headers_for(**EVENTS))
    endpoint = (await stream.next_block()).data  # type: ignore[union-attr]
    assert endpoint is not None
    slow.MCP_REQUEST_RATE = 1
    one.runtime.quotas._accounts[ALICE].requests = 0
    await one.runtime.redis.delete(keys.quota(ALICE))
    for message in (initialize(), tool_call("echo", {"message": "x"}, id="late")):
        body = json.dumps(message).encode()
        assert (await one.http.request("POST", endpoint, headers=headers_for(), body=body)).status == 202
    await stream.next_message()
    refused = await stream.next_message()
    assert refused["id"] == "late"
    assert refused["error"]["data"] == {"limit": "MCP_REQUEST_RATE", "value": 1}
    assert "quota exceeded" in caplog.messages


async def test_a_call_past_the_limit_of_tasks_is_refused_like_one_past_any_other_limit(
    one: Process, mcp_settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    mcp_settings.MCP_MAX_TASKS = 1
    await one.runtime.redis.delete(task_keys.index(ALICE))
    tasks: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    call = {"name": "slow_compute", "arguments": {"seconds": 1}}
    created = await modern(one, "tools/call", call, capabilities=tasks)
    assert (await created.json())["result"]["resultType"] == "task"
    await assert_refused(await modern(one, "tools/call", call, capabilities=tasks), "MCP_MAX_TASKS", 1)
    assert "quota exceeded" in caplog.messages


async def test_of_many_requests_past_the_rate_over_http_sse_few_are_answered_on_the_stream(
    one: Process, slow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_app.transports.http_sse._REFUSAL_SECONDS", 1000.0)
    stream = await one.http.request("GET", "/sse", headers=headers_for(**EVENTS))
    endpoint = (await stream.next_block()).data  # type: ignore[union-attr]
    assert endpoint is not None
    slow.MCP_REQUEST_RATE = 1
    one.runtime.quotas._accounts[ALICE].requests = 0
    await one.runtime.redis.delete(keys.quota(ALICE))
    responses = [
        await one.http.request("POST", endpoint, headers=headers_for(), body=json.dumps(message).encode())
        for message in (initialize(), *(tool_call("echo", {"message": "x"}, id=n) for n in range(3)))
    ]
    assert [response.status for response in responses] == [202, 202, 429, 429]
    await assert_refused(responses[-1], "MCP_REQUEST_RATE", 1)


async def test_the_standalone_streams_of_a_person_are_limited_over_all_processes(
    one: Process, other: Process, mcp_settings: Any
) -> None:
    mcp_settings.MCP_MAX_STREAMS = 3
    sessions = [await Session.open(at) for at in (one, other)]
    opened = [
        await sessions[0].listen(one),
        await other.http.request("GET", "/sse", headers=headers_for(**EVENTS)),
        await modern(one, "subscriptions/listen", LISTEN),
    ]
    assert [stream.status for stream in opened] == [200, 200, 200]
    known = await one.runtime.redis.zcard(f"mcp:sessions:{{{ALICE}}}")
    for at in (one, other):
        await assert_refused(await sessions[1].get(at), "MCP_MAX_STREAMS", 3)
        sse = await at.http.request("GET", "/sse", headers=headers_for(**EVENTS))
        await assert_refused(sse, "MCP_MAX_STREAMS", 3)
        await assert_refused(await modern(at, "subscriptions/listen", LISTEN), "MCP_MAX_STREAMS", 3)
    assert await one.runtime.redis.zcard(f"mcp:sessions:{{{ALICE}}}") == known, "a session without a stream"
    bobs = await Session.open(other, "bob")
    assert (await bobs.get(other)).status == 200
    await opened[2].drop()
    await sessions[1].listen(other)
    assert used(one, STREAMS) + used(other, STREAMS) == 3


async def test_a_stream_can_be_resumed_at_the_limit_while_its_connection_is_not_known_to_be_lost(
    one: Process, other: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_MAX_STREAMS = 1
    lost = await session.listen(one)
    first = await lost.next_block()
    assert first is not None
    for at in (one, other, one):
        stream = await session.get(at, first.id)
        assert stream.status == 200
    assert await lost.messages() == []
    await eventually(lambda: used(one, STREAMS) + used(other, STREAMS) == 1)


async def test_at_the_limit_a_new_stream_takes_the_place_of_the_others_of_its_session(
    one: Process, other: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_MAX_STREAMS = 2
    lost = [await session.listen(one), await session.listen(other)]
    newest = await session.listen(other)
    for stream in lost:
        assert await stream.messages() == []
    assert newest.task is not None
    assert not newest.task.done()
    await eventually(lambda: used(one, STREAMS) + used(other, STREAMS) == 1)


async def test_the_streams_of_calls_are_limited_with_the_calls(
    one: Process, other: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_MAX_STREAMS, mcp_settings.MCP_MAX_CALLS = 1, 1
    held = Held(one)
    await session.listen(one)
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    for at in (other, one, other):
        stream = await session.get(at, last.id)
        assert stream.status == 200
    held.go.set()
    assert text_of(await stream.answer()) == "result"


@pytest.mark.parametrize("revision", [LATEST, MODERN])
async def test_a_quick_call_of_a_person_who_was_here_needs_no_redis_for_its_quotas(
    one: Process, revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(revision)
    echo = tool_call("echo", {"message": "x"})
    assert (await client.post(one, echo)).status == 200

    async def fail(*args: Any, **options: Any) -> None:
        raise AssertionError("Redis was asked")

    monkeypatch.setattr(one.runtime.quotas, "_ask", fail)
    for _ in range(20):
        assert (await client.post(one, echo)).status == 200


@pytest.mark.parametrize("revision", [*OLDER, MODERN])
async def test_what_is_received_and_sent_counts_for_the_rate(
    one: Process, other: Process, slow: Any, revision: str
) -> None:
    slow.MCP_REQUEST_RATE = 12
    client = Client(revision)
    text = "x" * (2 * CHARGED_BYTES)
    said = await client.post(one, tool_call("echo", {"message": text}))
    assert text in text_of(await said.answer()), "a running request is not affected"
    left = slow.MCP_REQUEST_RATE - (1 if revision == MODERN else 3) - 2 * 2
    assert one.runtime.quotas._accounts[ALICE].requests <= left
    said = await client.post(one, tool_call("echo", {"message": 2 * text}))
    assert text in text_of(await said.answer())
    for at in (one, other):
        refused = await client.post(at, tool_call("echo", {"message": "x"}, id="late"))
        await assert_refused(refused, "MCP_REQUEST_RATE", slow.MCP_REQUEST_RATE)
    neighbour = Client(revision, "bob")
    assert (await neighbour.post(one, tool_call("echo", {"message": text}))).status == 200


async def test_what_is_refused_is_received_and_sent_as_well(
    one: Process, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    charged: list[int] = []
    monkeypatch.setattr(one.runtime.quotas, "charge", lambda person, size: charged.append(size))
    body = json.dumps(request("x" * 1000)).encode()
    refused = await one.http.request("POST", headers=session.headers(), body=body)
    assert refused.status == 400
    assert sum(charged) == len(body) + len(await refused.body())


async def test_what_a_stream_sends_counts_for_the_rate(one: Process, session: Session, slow: Any) -> None:
    slow.MCP_REQUEST_RATE = 10
    text = "x" * (10 * CHARGED_BYTES)

    async def tell(ctx: Context) -> str:
        await ctx.report_progress(1, 1, text)
        return "told"

    one.runtime.server.add_tool(tell, structured_output=False)
    one.runtime.quotas._accounts[ALICE].requests = 0
    await one.runtime.redis.delete(keys.quota(ALICE))
    told = await session.call(one, "tell", {}, progress=1)
    assert text_of(told) == "told"
    refused = await session.post(one, request("ping"))
    await assert_refused(refused, "MCP_REQUEST_RATE", 10)


async def test_who_owes_for_bytes_cannot_resume_streams_until_they_are_paid(
    one: Process, other: Process, session: Session, slow: Any
) -> None:
    held = Held(one)
    running = await session.post(one, call_held(id=1))
    last = await running.next_event()
    await running.drop()
    slow.MCP_REQUEST_RATE = 100
    one.runtime.quotas._accounts[ALICE].requests = 0
    one.runtime.quotas.charge(ALICE, 2 * slow.MCP_REQUEST_RATE * CHARGED_BYTES)
    await one.runtime.quotas.beat()
    for at in (one, other):
        await assert_refused(await session.get(at, last.id), "MCP_REQUEST_RATE", slow.MCP_REQUEST_RATE)
    assert (await session.post(one, notification("notifications/cancelled", {"requestId": 1}))).status == 202
    await within(held.ended.wait())
    assert (await session.delete(other)).status == 204


async def test_a_person_who_uses_all_of_their_redis_connections_leaves_the_others_alone(
    one: Process,
) -> None:
    pool = one.runtime.redis.connection_pool
    async with AsyncExitStack() as stack:
        for _ in range(conf.redis_connections // PARTS):
            with share_of(ALICE):
                connection = await pool.get_connection()
            stack.push_async_callback(pool.release, connection)
        waiting = asyncio.create_task(Session.open(one, "alice"))
        neighbour = await Session.open(one, "bob")
        assert text_of(await neighbour.call(one, "echo", {"message": "x"}))
        assert not waiting.done()
    assert (await (await waiting).delete(one)).status == 204


@pytest.mark.parametrize("revision", [LATEST, MODERN])
async def test_who_uses_all_of_their_redis_connections_is_past_a_limit(
    one: Process, mcp_settings: Any, revision: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(revision)
    assert (await client.post(one, tool_call("echo", {"message": "x"}))).status == 200

    async def use_redis() -> str:
        await one.runtime.redis.get("nothing")
        return "done"

    one.runtime.server.add_tool(use_redis, structured_output=False)
    pool = one.runtime.redis.connection_pool
    pool.timeout = 0.05  # type: ignore[attr-defined]
    async with AsyncExitStack() as stack:
        for _ in range(conf.redis_connections // PARTS):
            with share_of(ALICE):
                connection = await pool.get_connection()
            stack.push_async_callback(pool.release, connection)
        for _ in range(3):
            refused = await client.post(one, tool_call("use_redis"))
            await assert_refused(refused, "MCP_REDIS_CONNECTIONS", conf.redis_connections)
    assert caplog.messages.count("quota exceeded") == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert text_of(await (await client.post(one, tool_call("use_redis"))).answer()) == "done"


async def test_each_task_that_a_listen_stream_follows_counts_as_a_request(one: Process, slow: Any) -> None:
    slow.MCP_REQUEST_RATE = 20
    tasks: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    params = {"notifications": {"taskIds": [f"task {n}" for n in range(15)]}}
    stream = await modern(one, "subscriptions/listen", params, capabilities=tasks)
    assert stream.status == 200
    await stream.drop()
    await assert_refused(
        await modern(one, "subscriptions/listen", params, capabilities=tasks), "MCP_REQUEST_RATE", 20
    )
