"""Metrics: who may read them, and that they say exactly what has happened, in a bounded number of series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from mcp_app.coordination import quotas
from mcp_app.exceptions import Unavailable
from mcp_app.extensions.tasks.declaration import IDENTIFIER
from mcp_app.monitoring.metrics import OTHER
from mcp_app.routing import mcp_application
from mcp_app.runtime import Runtime
from tests.mcp_app.transports.support import (
    LATEST,
    MODERN,
    Held,
    Process,
    Session,
    call_held,
    modern,
    request,
    tool_call,
    within,
)
from tests.support.asgi import Response
from tests.support.metrics import Samples, all_told
from tests.support.waiting import eventually

DURATION = "mcp_server_operation_duration_seconds_count"
TOKEN = "not-guessed-by-anyone"
LOCAL = {"host": "127.0.0.1:3232"}
PUBLIC = "https://mcp.example.com"


@pytest.fixture(autouse=True)
def mcp_settings(mcp_settings: Any) -> Any:
    mcp_settings.MCP_METRICS_PATH = "/metrics"
    mcp_settings.MCP_METRICS_TOKEN = TOKEN
    return mcp_settings


@pytest.fixture
def public(mcp_settings: Any) -> None:
    """The server is public, so that there is a proxy in front of it."""
    mcp_settings.ALLOWED_HOSTS = ["mcp.example.com"]
    mcp_settings.MCP_RESOURCE_URL = f"{PUBLIC}/mcp"


async def scrape(at: Process, *, peer: str | None = "127.0.0.1", **headers: str) -> Response:
    """Fetch the metrics. Underscores in names of headers stand for hyphens."""
    app = at.http.app

    async def from_peer(scope: Any, receive: Any, send: Any) -> None:
        await app(scope | {"client": None if peer is None else (peer, 50000)}, receive, send)

    at.http.app = from_peer
    try:
        sent = {name.replace("_", "-"): value for name, value in (LOCAL | headers).items()}
        return await at.http.request("GET", "/metrics", headers=sent)
    finally:
        at.http.app = app


async def samples(at: Process) -> Samples:
    """What the process shows, once its observers have been told everything and its heart has beaten."""
    await at.runtime.start()
    await all_told(at.runtime.observers)
    await at.runtime.heartbeat.beat()
    return Samples((await (await scrape(at)).body()).decode())


# --- Who may read them


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
async def test_this_computer_needs_no_token(one: Process, peer: str) -> None:
    response = await scrape(one, peer=peer)
    assert response.status == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.content_type == "text/plain"


@pytest.mark.parametrize("peer", ["192.0.2.7", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.7", "unix", None])
async def test_everybody_else_needs_the_token(one: Process, peer: str | None) -> None:
    refused = await scrape(one, peer=peer)
    assert (refused.status, await refused.body()) == (401, b"")
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.headers["cache-control"] == "no-store"
    assert (await scrape(one, peer=peer, authorization=f"Bearer {TOKEN}")).status == 200


@pytest.mark.parametrize(
    "sent", [f"Bearer {TOKEN}x", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", "Bearer é"]
)
async def test_anything_else_is_no_token(one: Process, sent: str) -> None:
    assert (await scrape(one, peer="192.0.2.7", authorization=sent)).status == 401


@pytest.mark.parametrize("sent", ["Bearer", "Bearer ", ""])
async def test_without_a_token_in_the_settings_none_is_right(
    mcp_settings: Any, start_process: Callable[[], Process], sent: str
) -> None:
    mcp_settings.MCP_METRICS_TOKEN = ""
    process = start_process()
    assert (await scrape(process, peer="192.0.2.7", authorization=sent)).status == 401
    assert (await scrape(process)).status == 200


@pytest.mark.parametrize(
    "added",
    [
        {"x_forwarded_for": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"x_real_ip": "127.0.0.1"},
        {"x_forwarded_proto": "https"},
        {"via": "1.1 proxy"},
    ],
    ids=lambda added: next(iter(added)),
)
async def test_what_a_proxy_on_this_computer_passes_on_needs_the_token(
    one: Process, added: dict[str, str]
) -> None:
    assert (await scrape(one, **added)).status == 401
    assert (await scrape(one, authorization=f"Bearer {TOKEN}", **added)).status == 200


@pytest.mark.parametrize("host", ["mcp.example.com", "evil.example", "127.0.0.1.evil.example", ""])
async def test_a_host_that_is_not_this_computer_needs_the_token(one: Process, host: str) -> None:
    assert (await scrape(one, host=host)).status == 401


@pytest.mark.parametrize("host", ["127.0.0.1:3232", "localhost", "[::1]:3232", "mcp.example.com"])
async def test_a_public_server_needs_the_token_whatever_host_is_asked_for(
    public: None, start_process: Callable[[], Process], host: str
) -> None:
    process = start_process()
    assert (await scrape(process, host=host)).status == 401
    assert (await scrape(process, host=host, authorization=f"Bearer {TOKEN}")).status == 200


async def test_only_get_is_answered(one: Process) -> None:
    response = await one.http.request("POST", "/metrics", headers=LOCAL)
    assert (response.status, response.headers["allow"]) == (405, "GET")


async def test_openmetrics_is_spoken_to_those_who_accept_it(one: Process) -> None:
    response = await scrape(one, accept="application/openmetrics-text; version=1.0.0")
    assert response.content_type == "application/openmetrics-text"
    assert (await response.body()).endswith(b"# EOF\n")


async def test_a_scrape_is_neither_logged_nor_counted_but_a_wrong_token_is_logged(
    one: Process, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "everything_site.requests"):
        await scrape(one)
        assert "/metrics" not in caplog.text
        await scrape(one, peer="192.0.2.7")
    assert caplog.text.count("GET /metrics") == 1
    assert (await samples(one)).sum(DURATION) == 0


async def test_without_a_path_there_are_no_metrics_and_no_observer(mcp_settings: Any) -> None:
    mcp_settings.MCP_METRICS_PATH = ""
    runtime = Runtime()
    passed_on: list[str] = []

    async def others(scope: Any, receive: Any, send: Any) -> None:
        passed_on.append(scope["path"])

    scope = {"type": "http", "path": "/metrics", "headers": []}
    await mcp_application(others, runtime=runtime, needs={})(scope, None, None)  # type: ignore[arg-type]
    assert passed_on == ["/metrics"]
    assert not runtime.measuring.metrics
    assert not runtime.observers.watch_calls
    await runtime.stop()


# --- What they say


async def test_each_call_of_either_era_is_counted_once(one: Process, session: Session) -> None:
    for _ in range(3):
        await session.call(one, "echo", {"message": "x"})
    for _ in range(2):
        await (await modern(one, "tools/call", {"name": "echo", "arguments": {"message": "x"}})).answer()
    found = await samples(one)
    assert found.sum(DURATION, gen_ai_tool_name="echo", mcp_protocol_version=LATEST) == 3
    assert found.sum(DURATION, gen_ai_tool_name="echo", mcp_protocol_version=MODERN) == 2
    assert found.sum(DURATION, mcp_method_name="initialize") == 1
    assert found.sum("mcp_app_sessions_opened_total", mcp_protocol_version=LATEST) == 1


async def test_errors_are_told_apart(one: Process, session: Session) -> None:
    async def fails() -> str:
        raise ToolError("sold out")

    one.runtime.server.add_tool(fails)
    await session.call(one, "fails")
    await session.call(one, "nobody-knows-this")
    found = await samples(one)
    assert found.sum(DURATION, error_type="tool_error") == 1
    assert found.sum(DURATION, error_type="-32602") == 1


async def test_a_stranger_cannot_create_time_series(one: Process, session: Session) -> None:
    for number in range(5):
        await session.call(one, f"tool-{number}")
        await (await session.post(one, request(f"method/{number}"))).answer()
        await modern(one, "tools/call", {"name": "echo"}, revision=f"2099-01-0{number + 1}")
    found = await samples(one)
    assert found.values_of(DURATION, "gen_ai_tool_name") == {"", OTHER}
    assert found.values_of(DURATION, "mcp_method_name") == {"initialize", "tools/call", OTHER}
    assert found.values_of(DURATION, "mcp_protocol_version") <= {"", *KNOWN_PROTOCOL_VERSIONS}
    assert found.sum(DURATION, mcp_method_name=OTHER) == 5


async def test_a_tool_that_is_added_later_is_known_after_a_heartbeat(one: Process, session: Session) -> None:
    async def late() -> str:
        return "at last"

    one.runtime.server.add_tool(late)
    await session.call(one, "late")
    assert (await samples(one)).sum(DURATION, gen_ai_tool_name=OTHER) == 1
    await session.call(one, "late")
    assert (await samples(one)).sum(DURATION, gen_ai_tool_name="late") == 1


async def test_what_is_open_and_running_is_shown(one: Process, session: Session) -> None:
    held = Held(one)
    stream = await session.listen(one)
    call = await session.post(one, call_held())
    stateless = await modern(one, "tools/call", call_held(id=2)["params"])
    listening = await modern(one, "subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    await within(held.started.wait())
    await eventually(lambda: held.runs == 2)
    found = await samples(one)
    kinds = ("session", "stateless", "task")
    assert [found.sum("mcp_app_calls_running", kind=kind) for kind in kinds] == [1, 1, 0]
    kinds = ("standalone", "reply", "listen")
    assert [found.sum("mcp_app_streams_open", kind=kind) for kind in kinds] == [1, 1, 1]
    assert [found.sum("mcp_app_streams_opened_total", kind=kind) for kind in kinds] == [1, 1, 1]
    held.go.set()
    await call.messages()
    await stateless.messages()
    for open_stream in (stream, listening):
        await open_stream.drop()
    found = await samples(one)
    assert found.sum("mcp_app_calls_running") == found.sum("mcp_app_streams_open") == 0


async def test_a_stream_that_is_resumed_elsewhere_is_counted_there(
    one: Process, other: Process, session: Session
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    await stream.drop()
    held.go.set()
    await (await session.get(other, last.id)).messages()
    assert (await samples(other)).sum("mcp_app_streams_resumed_total", kind="reply") == 1
    assert (await samples(one)).sum("mcp_app_streams_resumed_total") == 0


async def test_sessions_and_tasks_of_all_processes_are_the_same_at_each(one: Process, other: Process) -> None:
    before = await samples(one)
    sessions = [await Session.open(at) for at in (one, one, other)]
    call = {"name": "slow_compute", "arguments": {"seconds": 0}}
    capabilities: dict[str, Any] = {"elicitation": {}, "extensions": {IDENTIFIER: {}}}
    await (await modern(other, "tools/call", call, capabilities=capabilities)).answer()
    for at in (one, other):
        found = await samples(at)
        for name, more in (("sessions", 3), ("tasks", 1)):
            name = f"mcp_app_shared_{name}"
            assert found.sum(name) == before.sum(name) + more
        assert found.sum("mcp_app_shared_processes") >= 2
    await sessions[0].delete(other)
    assert (await samples(one)).sum("mcp_app_shared_sessions") == before.sum("mcp_app_shared_sessions") + 2
    ended = await samples(other)
    assert ended.sum("mcp_server_session_duration_seconds_count", mcp_protocol_version=LATEST) == 1
    assert 0 < ended.sum("mcp_server_session_duration_seconds_sum") < 60


async def test_refusals_are_counted_by_reason(
    one: Process, mcp_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "RECLAIM_SECONDS", 0.1)
    session = await Session.open(one)
    await session.post(one, tool_call("echo"), authorization=None)
    await session.post(one, tool_call("echo"), authorization="Bearer expired")
    await Session("unknown").post(one, tool_call("echo"))
    mcp_settings.MCP_MAX_STREAMS = 1
    stream = await session.listen(one)
    assert (await (await Session.open(one)).get(one)).status == 429
    found = await samples(one)
    await stream.drop()
    refused = "mcp_app_requests_refused_total"
    assert found.sum(refused, http_response_status_code="401", reason="no_token") == 1
    assert found.sum(refused, reason="session_not_found") == 1
    assert found.sum(refused, reason="MCP_MAX_STREAMS", http_response_status_code="429") == 1


async def test_waits_are_measured(one: Process, session: Session) -> None:
    waits = "db_client_operation_duration_seconds_count"
    assert (await samples(one)).sum(waits, db_system_name="redis", error_type="") > 0
    for name in ("mcp_app_wake_up_duration_seconds", "mcp_app_event_loop_lag_seconds"):

        async def is_measured(name: str = name) -> bool:
            return (await samples(one)).sum(f"{name}_count") > 0

        await eventually(is_measured)


async def test_an_outage_of_redis_is_measured(one: Process, session: Session) -> None:
    found = await samples(one)
    assert found.sum("db_client_operation_duration_seconds_count", error_type="unavailable") == 0
    await one.runtime.redis.set("mcp:hash-of-a-test", "no hash", ex=60)
    with pytest.raises(Unavailable):
        await one.runtime.redis.hgetall("mcp:hash-of-a-test")
    found = await samples(one)
    assert found.sum("db_client_operation_duration_seconds_count", error_type="unavailable") == 1


async def test_a_scrape_says_whether_the_process_is_ready(one: Process) -> None:
    assert (await samples(one)).sum("mcp_app_ready", need="redis") == 1
    assert (await samples(one)).sum("mcp_app_draining") == 0


async def test_a_call_that_is_recovered_is_counted_where_it_ends(
    one: Process, other: Process, session: Session
) -> None:
    assert (await samples(other)).sum("mcp_app_calls_recovered_total") == 0
    held = Held(one)
    Held(other).go.set()
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    await within(held.started.wait())
    await one.runtime.calls.drain()
    await stream.drop()
    await (await session.get(other, last.id)).messages()
    found = await samples(other)
    assert found.sum("mcp_app_calls_recovered_total", kind="session") == 1
    assert found.sum(DURATION, mcp_method_name="tools/call") == 1
    assert (await samples(one)).sum(DURATION, mcp_method_name="tools/call") == 0
