"""Bearer tokens and their challenges (RFC 6750 §3, RFC 9728 §5.1), in both eras."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from mcp_app.auth.tokens import checksum
from tests.mcp_app.transports.support import (
    LATEST,
    MODERN,
    Process,
    Session,
    headers_for,
    modern,
    request,
    withdraw,
    within,
)
from tests.support.asgi import Response
from tests.support.waiting import eventually

PING = json.dumps(request("ping")).encode()
METADATA = "http://localhost:3232/.well-known/oauth-protected-resource/mcp"

# Authorization header, status, error of the challenge.
REFUSED = {
    "none": (None, 401, None),
    "empty": ("", 401, None),
    "another scheme": ("Basic YWxpY2U6YQ==", 401, "invalid_token"),
    "no token": ("Bearer", 401, "invalid_token"),
    "only spaces": ("Bearer   ", 401, "invalid_token"),
    "unknown": ("Bearer unknown", 401, "invalid_token"),
    "expired": ("Bearer expired", 401, "invalid_token"),
    "revoked": ("Bearer revoked", 401, "invalid_token"),
    "wrong scope": ("Bearer wrong-scope", 403, "insufficient_scope"),
}


def _challenge(response: Response) -> dict[str, str]:
    value = response.headers["www-authenticate"]
    assert value.startswith("Bearer ")
    return dict(re.findall(r'(\w+)="([^"]*)"', value))


@pytest.mark.parametrize(("authorization", "status", "error"), REFUSED.values(), ids=REFUSED)
async def test_a_request_without_a_good_token_is_challenged(
    one: Process, authorization: str | None, status: int, error: str | None
) -> None:
    for method, revision in (("POST", LATEST), ("POST", MODERN), ("GET", LATEST), ("DELETE", LATEST)):
        headers = headers_for(None, mcp_protocol_version=revision, authorization=authorization)
        response = await one.http.request(method, headers=headers, body=PING)
        assert (response.status, response.content_type) == (status, "application/json")
        challenge = _challenge(response)
        assert challenge["resource_metadata"] == METADATA
        assert challenge["scope"] == "mcp"
        assert challenge.get("error") == error
        refusal = await response.json()
        assert refusal["id"] is None
        assert refusal["error"]["code"] == -32600
        assert refusal["error"]["message"]


@pytest.mark.parametrize("revision", [LATEST, MODERN])
async def test_the_error_for_a_token_without_the_base_scope_names_it(one: Process, revision: str) -> None:
    authorization = REFUSED["wrong scope"][0]
    headers = headers_for(None, mcp_protocol_version=revision, authorization=authorization)
    response = await one.http.request("POST", headers=headers, body=PING)
    message = (await response.json())["error"]["message"]
    assert message == "This requires the scope mcp, which the token does not have."


@pytest.mark.parametrize(("authorization", "status", "error"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/sse"), ("GET", "/sse/"), ("POST", "/message?sessionId=x")]
)
async def test_a_challenge_of_http_sse_names_the_metadata_of_that_endpoint(
    one: Process, method: str, path: str, authorization: str | None, status: int, error: str | None
) -> None:
    headers = headers_for(None, authorization=authorization)
    response = await one.http.request(method, path, headers=headers, body=PING if method == "POST" else b"")
    assert response.status == status
    challenge = _challenge(response)
    assert challenge["resource_metadata"] == METADATA.replace("/mcp", "/sse")
    assert challenge["scope"] == "mcp"
    assert challenge.get("error") == error


async def test_the_scheme_is_case_insensitive(one: Process, session: Session) -> None:
    assert (await session.post(one, request("ping"), authorization="bEARER alice")).status == 200


@pytest.mark.parametrize(
    "query", ["access_token=alice", "a=b&access_token=", "access_token=a&access_token=b"]
)
@pytest.mark.parametrize("token", [None, "alice"])
async def test_a_token_in_the_url_is_refused_even_with_a_valid_one_in_the_header(
    one: Process, query: str, token: str | None
) -> None:
    response = await one.http.request("POST", f"/mcp?{query}", headers=headers_for(token), body=PING)
    assert response.status == 400
    assert _challenge(response)["error"] == "invalid_request"
    assert (await response.json())["error"]["code"] == -32600


async def test_a_session_id_is_no_authentication(one: Process, session: Session) -> None:
    assert (await session.post(one, request("ping"), authorization=None)).status == 401


async def test_a_token_is_verified_once_in_a_few_seconds(one: Process, session: Session) -> None:
    asked = len(one.tokens.asked)
    for _ in range(3):
        await session.post(one, request("ping"))
    assert len(one.tokens.asked) == asked


async def test_a_token_revoked_anywhere_is_dropped_by_every_process(
    one: Process, other: Process, session: Session
) -> None:
    assert (await session.post(other, request("ping"))).status == 200
    for process in (one, other):
        process.tokens.withdrawn.add("alice")
    await withdraw(one, "alice")

    async def refused() -> bool:
        return (await session.post(other, request("ping"))).status == 401

    await eventually(refused, within=2)
    assert (await session.post(one, request("ping"))).status == 401


async def test_another_users_token_stays_cached_when_one_is_revoked(one: Process, session: Session) -> None:
    asked = len(one.tokens.asked)
    await withdraw(one, "mallory")
    assert (await session.post(one, request("ping"))).status == 200
    assert len(one.tokens.asked) == asked


async def test_a_lost_revocation_takes_effect_when_the_copy_is_stale(
    one: Process, session: Session, mcp_settings: Any
) -> None:
    mcp_settings.MCP_CACHE_SECONDS = 0.0
    await session.post(one, request("ping"))  # remembered for no time at all
    one.runtime.tokens.forget([checksum("alice")])
    await session.post(one, request("ping"))
    one.tokens.withdrawn.add("alice")
    assert (await session.post(one, request("ping"))).status == 401


async def test_a_tool_can_tell_whose_token_it_serves_in_both_eras(one: Process) -> None:
    from mcp.server.auth.middleware.auth_context import get_access_token

    async def whoami() -> str:
        token = get_access_token()
        return f"{token.subject} by {token.client_id}" if token else "nobody"

    one.runtime.server.add_tool(whoami, structured_output=False)
    session = await Session.open(one, "alice@other")
    answer = await session.call(one, "whoami")
    assert answer["result"]["content"][0]["text"] == "alice by other"
    answer = await (await modern(one, "tools/call", {"name": "whoami"}, token="bob")).answer()
    assert answer["result"]["content"][0]["text"] == "bob by client"


async def test_open_streams_end_when_their_token_is_revoked(
    one: Process, other: Process, session: Session
) -> None:
    listening = await session.listen(one)
    await withdraw(other, "alice")
    await within(listening.body())
