"""What a message may make the server repeat, publish or store: bounded before anything else sees it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, LOG_LEVEL_META_KEY

from mcp_app.protocol.listen import within_bounds
from mcp_app.protocol.messages import MAX_ID_LENGTH
from mcp_app.protocol.session_features import MAX_URI_BYTES, MAX_URI_LENGTH
from tests.mcp_app.transports.support import (
    Process,
    Session,
    headers_for,
    initialize,
    modern,
    notification,
    request,
    tool_call,
)
from tests.support.asgi import Response

LONG = "x" * (MAX_ID_LENGTH + 1)
HUGE = 1 << (8 * MAX_ID_LENGTH)

INVALID_REQUEST, INVALID_PARAMS = -32600, -32602


async def _assert_too_long(response: Response, name: str, code: int, id: Any) -> None:
    answer = await response.json()
    assert response.status == 400
    assert answer["id"] == id
    assert answer["error"]["code"] == code
    assert name in answer["error"]["message"]
    assert str(MAX_ID_LENGTH) in answer["error"]["message"]
    assert LONG not in json.dumps(answer), "an error does not repeat what is too long"


@pytest.mark.parametrize("value", [LONG, HUGE])
async def test_an_id_that_is_too_long_is_refused(one: Process, session: Session, value: Any) -> None:
    calls = (
        await session.post(one, tool_call("echo", {"message": "x"}, id=value)),
        await session.post(one, {"jsonrpc": "2.0", "id": value, "result": {}}),
        await session.post(one, {"jsonrpc": "2.0", "id": value, "result": 5}),
        await session.post(one, {"jsonrpc": "2.0", "id": value, "method": 5}),
        await modern(one, "tools/list", id=value),
    )
    for response in calls:
        await _assert_too_long(response, "`id`", INVALID_REQUEST, None)


@pytest.mark.parametrize("value", [LONG, HUGE])
async def test_a_progress_token_that_is_too_long_is_refused(
    one: Process, session: Session, value: Any
) -> None:
    meta = {"_meta": {"progressToken": value}}
    for response in (
        await session.post(one, tool_call("echo", {"message": "x"}, progress=value)),
        await modern(one, "tools/list", meta),
    ):
        await _assert_too_long(response, "`params._meta.progressToken`", INVALID_PARAMS, 1)


async def test_a_method_that_is_too_long_is_refused(one: Process, session: Session) -> None:
    await _assert_too_long(await session.post(one, request(LONG)), "`method`", INVALID_REQUEST, 1)


@pytest.mark.parametrize("value", [LONG, HUGE])
async def test_a_cancellation_with_an_id_that_is_too_long_is_refused(
    one: Process, session: Session, value: Any
) -> None:
    message = notification("notifications/cancelled", {"requestId": value})
    await _assert_too_long(await session.post(one, message), "`params.requestId`", INVALID_PARAMS, None)


@pytest.mark.parametrize("value", [None, True, 1.5, ["x"] * 1000, {"x": "y" * 1000}])
async def test_a_cancellation_that_can_match_no_request_is_not_published(
    one: Process, session: Session, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[Any] = []

    async def publish(message: Any, *places: str, **options: Any) -> None:
        published.append(message)

    monkeypatch.setattr(one.runtime.directory, "publish", publish)
    message = notification("notifications/cancelled", {"requestId": value})
    assert (await session.post(one, message)).status == 202
    assert published == []


async def test_a_message_of_a_batch_is_held_to_the_same_limits(one: Process) -> None:
    session = await Session.open(one, revision="2025-03-26")
    batch = [request("ping", id=1), request("ping", id=LONG)]
    await _assert_too_long(await session.post(one, batch), "`id`", INVALID_REQUEST, None)


async def test_the_message_endpoint_holds_to_the_same_limits(one: Process) -> None:
    stream = await one.http.request("GET", "/sse", headers=headers_for(accept="text/event-stream"))
    endpoint = (await stream.next_event()).data
    assert endpoint is not None
    body = json.dumps(request("ping", id=LONG)).encode()
    response = await one.http.request("POST", endpoint, headers=headers_for(), body=body)
    await _assert_too_long(response, "`id`", INVALID_REQUEST, None)


async def test_the_longest_id_and_progress_token_work(one: Process, session: Session) -> None:
    longest = LONG[:-1]
    answer = await session.call(one, "echo", {"message": "x"}, id=longest, progress=longest)
    assert answer["id"] == longest


async def test_unsubscribing_from_a_uri_that_is_too_long_is_refused(one: Process, session: Session) -> None:
    uri = "x:" + "y" * MAX_URI_LENGTH
    answer = await (await session.post(one, request("resources/unsubscribe", {"uri": uri}))).answer()
    assert answer["error"]["code"] == INVALID_PARAMS
    assert str(MAX_URI_LENGTH) in answer["error"]["message"]


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
async def test_a_session_id_that_is_too_long_is_not_looked_up(
    one: Process, session: Session, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(session_id: str) -> None:
        raise AssertionError("looked up")

    monkeypatch.setattr(one.runtime.sessions, "_read", read)
    headers = headers_for(
        accept="text/event-stream", mcp_session_id="a" * 500, last_event_id=f"{'a' * 500}.g{'0' * 16}_1-0"
    )
    response = await one.http.request("GET", path, headers=headers)
    assert response.status == (404 if path == "/mcp" else 200)


ICON = {"src": "data:image/png;base64," + "A" * 100_000, "mimeType": "image/png"}

TOO_MUCH_SAID: list[tuple[dict[str, Any], str]] = [
    ({"clientInfo": {"name": "n" * 257, "version": "1"}}, "`clientInfo.name` must have at most 256"),
    ({"clientInfo": {"name": "n", "version": "v" * 257}}, "`clientInfo.version` must have at most 256"),
    ({"clientInfo": {"name": "n", "version": "1", "title": "t" * 257}}, "`clientInfo.title`"),
    ({"capabilities": {"experimental": {"x": {"y": "z" * 8192}}}}, "at most 8192 bytes"),
]


def _initialize_with(change: Any) -> bytes:
    message = initialize()
    message["params"] |= change
    return json.dumps(message).encode()


@pytest.mark.parametrize(
    ("change", "reason"), [*TOO_MUCH_SAID, ({"protocolVersion": "2" * 257}, "`protocolVersion`")]
)
async def test_initialize_is_refused_if_the_client_says_too_much_of_itself(
    one: Process, change: Any, reason: str
) -> None:
    response = await one.http.request("POST", headers=headers_for(), body=_initialize_with(change))
    assert "mcp-session-id" not in response.headers
    error = (await response.json())["error"]
    assert error["code"] == INVALID_PARAMS
    assert reason in error["message"]


@pytest.mark.parametrize(("change", "reason"), TOO_MUCH_SAID)
async def test_a_request_of_2026_is_refused_if_the_client_says_too_much_of_itself(
    one: Process, change: Any, reason: str
) -> None:
    keys = {"clientInfo": CLIENT_INFO_META_KEY, "capabilities": CLIENT_CAPABILITIES_META_KEY}
    meta = {keys[name]: value for name, value in change.items()}
    response = await modern(one, "tools/list", {"_meta": meta})
    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (400, INVALID_PARAMS)
    assert reason in error["message"]


async def test_of_what_a_client_says_of_itself_a_session_keeps_what_is_used(one: Process) -> None:
    info = {"name": "rich", "title": "Rich", "version": "1"}
    said = {
        "clientInfo": info | {"icons": [ICON], "description": "d" * 10_000, "more": "m" * 10_000},
        "capabilities": {"sampling": {}, "extensions": {"io.example/x": {"y": 1}}, "more": {"z": 1}},
        "_meta": {"more": "m" * 10_000},
        "more": "m" * 10_000,
    }
    response = await one.http.request("POST", headers=headers_for(), body=_initialize_with(said))
    assert response.status == 200
    record = await one.runtime.sessions.renew(response.headers["mcp-session-id"])
    assert record is not None
    assert record.client_params is not None
    assert record.client_params.model_dump(by_alias=True, exclude_none=True) == {
        "protocolVersion": "2025-11-25",
        "clientInfo": info,
        "capabilities": {"sampling": {}, "extensions": {"io.example/x": {"y": 1}}},
    }


async def test_a_request_of_2026_with_icons_is_served(one: Process) -> None:
    info = {"name": "rich", "version": "1", "icons": [ICON]}
    assert (await modern(one, "tools/list", {"_meta": {CLIENT_INFO_META_KEY: info}})).status == 200


def _kept(params: dict[str, Any], **bounds: Any) -> dict[str, Any]:
    standard: dict[str, Any] = {
        "kinds": ["taskIds", "of another extension"],
        "client_info": {"name": "rich", "version": "1"},
        "max_length": MAX_URI_LENGTH,
        "max_items": 100,
        "max_bytes": MAX_URI_BYTES,
    }
    return within_bounds(params, **(standard | bounds))


async def test_a_listen_stream_keeps_a_bounded_amount_over_all_kinds_of_notifications() -> None:
    many = [f"{n}".ljust(MAX_URI_LENGTH, "x") for n in range(100)]
    names = ("resourceSubscriptions", "taskIds", "of another extension", *map(str, range(100)))
    params = {
        "_meta": {"traceparent": "x" * 1_000_000, LOG_LEVEL_META_KEY: ["x"] * 1_000_000},
        "notifications": dict.fromkeys(names, many),
    }
    kept = _kept(params, max_bytes=150 * MAX_URI_LENGTH)
    assert len(json.dumps(kept)) < 160 * MAX_URI_LENGTH
    assert [len(kept["notifications"][name]) for name in names[:3]] == [100, 50, 0]


async def test_a_listen_stream_keeps_only_what_is_used_of_its_request(one: Process) -> None:
    long = "y" * 100_000
    info = {"name": "rich", "version": "1", "icons": [ICON]}
    notifications = {
        "toolsListChanged": True,
        "resourceSubscriptions": ["test://a", "x:" + long],
        "unknown": {"x": long},
        long: True,
    }
    params = {
        "_meta": {CLIENT_INFO_META_KEY: info, "more": long},
        "more": long,
        "notifications": notifications,
    }
    kept = _kept(params)
    assert len(json.dumps(kept)) < 1000
    assert kept["notifications"] == {"toolsListChanged": True, "resourceSubscriptions": ["test://a"]}
    assert kept["_meta"][CLIENT_INFO_META_KEY] == {"name": "rich", "version": "1"}
    assert _kept(params, max_bytes=len("test://"))["notifications"]["resourceSubscriptions"] == []
    stream = await modern(one, "subscriptions/listen", params)
    acknowledged = await stream.next_message()
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    assert acknowledged["params"]["notifications"]["toolsListChanged"] is True
