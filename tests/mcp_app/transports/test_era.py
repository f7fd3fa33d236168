"""Which revision a request is served with, by its header and its `_meta`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY, JSONRPCRequest
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from mcp_app.transports import errors
from mcp_app.transports.era import is_modern
from tests.mcp_app.transports.support import (
    LATEST,
    MODERN,
    OLDER,
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

UNSUPPORTED = -32022
HEADER_MISMATCH = -32020
UNKNOWN = [
    "2027-01-01",
    "1999-01-01",
    "2025-11-26",
    "nonsense",
    "2025-11-25, 2026-07-28",
    "2026-07-28\xe9",
    " ",
    "",
]
ECHO = tool_call("echo", {"message": "x"}, id="mine")


def _with_meta(message: dict[str, Any], revision: Any = MODERN) -> dict[str, Any]:
    meta = {PROTOCOL_VERSION_META_KEY: revision, CLIENT_CAPABILITIES_META_KEY: {}}
    return message | {"params": message.get("params", {}) | {"_meta": meta}}


async def _post(at: Process, message: Any, **headers: str | None) -> Response:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return await at.http.request("POST", headers=headers_for(**headers), body=body)


async def _refusal(response: Response, code: int, request_id: Any) -> Any:
    assert (response.status, response.content_type) == (400, "application/json"), await response.body()
    refusal = await response.json()
    assert (refusal["error"]["code"], refusal["id"]) == (code, request_id)
    return refusal["error"]


async def _assert_unsupported(response: Response, requested: str, request_id: Any) -> None:
    data = (await _refusal(response, UNSUPPORTED, request_id))["data"]
    assert set(data["supported"]) == set(KNOWN_PROTOCOL_VERSIONS)
    assert data["requested"] == requested


@pytest.mark.parametrize("revision", UNKNOWN)
def test_an_unsupported_revision_is_refused_with_the_supported_ones(revision: str) -> None:
    with pytest.raises(errors.HttpError) as refused:
        is_modern({"mcp-protocol-version": revision})
    assert (refused.value.status, refused.value.code) == (400, UNSUPPORTED)
    assert set(refused.value.data["supported"]) == set(KNOWN_PROTOCOL_VERSIONS)
    assert refused.value.data["requested"] == revision


@pytest.mark.parametrize("revision", ["2027-01-01", ""])
@pytest.mark.parametrize("has_meta", [True, False])
async def test_the_error_for_an_unknown_revision_lists_the_supported_ones(
    one: Process, session: Session, revision: str, has_meta: bool
) -> None:
    message = _with_meta(ECHO, revision) if has_meta else ECHO
    for session_id in (None, session.id, "no-such-session"):
        headers = {"mcp_protocol_version": revision, "mcp_session_id": session_id}
        await _assert_unsupported(await _post(one, message, **headers), revision, "mine")


@pytest.mark.parametrize("revision", ["2027-01-01"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD", "OPTIONS"])
async def test_the_error_for_any_method_of_an_unknown_revision_lists_the_supported_ones(
    one: Process, session: Session, method: str, revision: str
) -> None:
    headers = session.headers(mcp_protocol_version=revision)
    await _assert_unsupported(await one.http.request(method, headers=headers), revision, None)


@pytest.mark.parametrize(
    ("message", "headers"),
    [
        (b"{", {}),
        ([], {}),
        ([request("ping")], {}),
        ({"jsonrpc": "1.0"}, {}),
        (notification("notifications/initialized"), {}),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, {}),
        (request("ping"), {"content_type": "text/plain"}),
        (request("ping"), {"accept": "text/html"}),
        (initialize(), {"content_type": "text/plain"}),
    ],
)
async def test_an_unknown_revision_is_the_first_error_reported(
    one: Process, message: Any, headers: dict[str, str]
) -> None:
    response = await _post(one, message, mcp_protocol_version="2027-01-01", **headers)
    await _assert_unsupported(response, "2027-01-01", None)


@pytest.mark.parametrize(
    ("header", "revision"),
    [*((header, LATEST) for header in (None, MODERN, "2027-01-01", "")), *((LATEST, old) for old in OLDER)],
)
async def test_initialize_is_negotiated_only_from_its_body(
    one: Process, header: str | None, revision: str
) -> None:
    response = await _post(one, initialize(revision), mcp_protocol_version=header)
    assert response.status == 200
    assert (await response.json())["result"]["protocolVersion"] == revision
    session = Session(response.headers["mcp-session-id"], revision=revision)
    assert (await session.post(one, request("ping"))).status == 200


@pytest.mark.parametrize("revision", [MODERN, "2027-01-01"])
async def test_initialize_for_a_revision_without_it_is_offered_the_newest_that_has_it(
    one: Process, revision: str
) -> None:
    response = await _post(one, initialize(revision), mcp_protocol_version=revision)
    assert (await response.json())["result"]["protocolVersion"] == LATEST


async def test_initialize_with_the_meta_of_2026_07_28_is_a_method_that_is_gone(one: Process) -> None:
    response = await modern(one, "initialize", initialize()["params"])
    assert response.status == 404
    assert (await response.json())["error"]["code"] == -32601


@pytest.mark.parametrize("header", [None, LATEST, "2025-03-26"])
@pytest.mark.parametrize("named", [MODERN, "2027-01-01", None, 20260728, [LATEST]])
def test_a_revision_in_meta_that_is_not_the_headers_is_refused(header: str | None, named: Any) -> None:
    headers = {} if header is None else {"mcp-protocol-version": header}
    with pytest.raises(errors.HttpError) as refused:
        is_modern(headers, JSONRPCRequest(**_with_meta(ECHO, named)))
    assert (refused.value.status, refused.value.code) == (400, HEADER_MISMATCH)


@pytest.mark.parametrize("has_session", [True, False])
@pytest.mark.parametrize("header", [None, LATEST])
@pytest.mark.parametrize("method", [None, "ping", "tools/call"])
@pytest.mark.parametrize("named", [MODERN])
async def test_header_and_meta_must_name_the_same_revision(
    one: Process, session: Session, has_session: bool, header: str | None, method: str | None, named: Any
) -> None:
    headers = {"mcp_session_id": session.id if has_session else None, "mcp_protocol_version": header}
    response = await _post(one, _with_meta(ECHO, named), mcp_method=method, **headers)
    await _refusal(response, HEADER_MISMATCH, "mine")


@pytest.mark.parametrize("message", [initialize(), request("server/discover"), request("ping")])
async def test_a_missing_version_header_is_not_mistaken_for_an_older_client(
    one: Process, message: Any
) -> None:
    await _refusal(await _post(one, _with_meta(message)), HEADER_MISMATCH, 1)


async def test_a_wrong_method_header_is_refused_despite_a_session(one: Process, session: Session) -> None:
    headers = {"mcp_session_id": session.id, "mcp_protocol_version": MODERN, "mcp_name": "echo"}
    response = await _post(one, _with_meta(ECHO), mcp_method="ping", **headers)
    await _refusal(response, HEADER_MISMATCH, "mine")


@pytest.mark.parametrize("header", [None, LATEST])
async def test_a_session_may_name_its_own_revision_in_meta(
    one: Process, session: Session, header: str | None
) -> None:
    assert (await session.post(one, _with_meta(ECHO, LATEST), mcp_protocol_version=header)).status == 200


@pytest.mark.parametrize("meta", ["text", [MODERN], None, {"progressToken": 1}])
async def test_a_session_is_served_whatever_else_is_in_meta(
    one: Process, session: Session, meta: Any
) -> None:
    message = request("tools/list", {"_meta": meta})
    response = await session.post(one, message)
    assert response.status == 200
    assert (await response.json())["id"] == 1


async def test_a_batch_with_a_message_of_2026_07_28_is_refused_as_a_whole(one: Process) -> None:
    session = await Session.open(one, revision="2025-03-26")
    response = await session.post(one, [request("ping"), _with_meta(ECHO)])
    await _refusal(response, HEADER_MISMATCH, None)


async def test_a_notification_states_its_revision_in_the_same_way(one: Process, session: Session) -> None:
    response = await session.post(one, _with_meta(notification("notifications/cancelled")))
    await _refusal(response, HEADER_MISMATCH, None)


async def test_http_sse_has_no_request_of_2026_07_28(one: Process) -> None:
    stream = await one.http.request("GET", "/sse", headers=headers_for(mcp_protocol_version="2027-01-01"))
    opening = await stream.next_block()
    assert opening is not None
    assert opening.data is not None
    body = json.dumps(_with_meta(ECHO)).encode()
    headers = headers_for(mcp_protocol_version=MODERN)
    response = await one.http.request("POST", opening.data, headers=headers, body=body)
    assert "/mcp" in (await _refusal(response, -32600, "mine"))["message"]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        *(("mcp_name", value) for value in ("us-w\x01est1", "\x7f", "us-west1\x00", "\x80", "a\x1bb")),
        *((header, "\xe9") for header in ("mcp_param_region", "mcp_param_unknown", "mcp_name", "mcp_method")),
    ],
)
async def test_a_header_that_mirrors_the_body_is_printable_ascii(
    one: Process, header: str, value: str
) -> None:
    params = {"name": "test_x_mcp_header", "arguments": {"region": value}}
    if header in ("mcp_name", "mcp_param_unknown"):
        params = {"name": value, "arguments": {}}
    response = await modern(one, "tools/call", params, id="mine", **{header: value})
    await _refusal(response, HEADER_MISMATCH, "mine")


async def test_a_header_that_mirrors_nothing_is_checked_in_the_same_way(one: Process) -> None:
    await _refusal(await modern(one, "tools/list", mcp_name="\xe9"), HEADER_MISMATCH, 1)


async def test_a_tab_within_a_mirrored_value_is_none_of_those(one: Process) -> None:
    params = {"name": "test_x_mcp_header", "arguments": {"region": "us\twest"}}
    response = await modern(one, "tools/call", params, mcp_param_region="us\twest")
    assert response.status == 200


@pytest.mark.parametrize("name", ["x-user-name", "user-agent", "mcp-session-id"])
async def test_other_headers_may_hold_any_bytes(one: Process, name: str) -> None:
    response = await modern(one, "tools/list", **{name: "Михаил".encode().decode("latin-1")})
    assert response.status == 200


async def test_discovery_names_the_revisions_that_the_error_for_an_unknown_one_names(one: Process) -> None:
    discovered = await (await modern(one, "server/discover")).json()
    refused = await (await modern(one, "server/discover", revision="2027-01-01")).json()
    assert discovered["result"]["supportedVersions"] == refused["error"]["data"]["supported"]
    assert {*OLDER, MODERN, "2024-11-05"} == set(discovered["result"]["supportedVersions"])
