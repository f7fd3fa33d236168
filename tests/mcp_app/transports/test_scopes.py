"""A tool that requires a scope the token lacks: 403 before it runs, in every revision (RFC 6750 §3.1)."""

from __future__ import annotations

import json
import re

import pytest

from tests.mcp_app.transports.support import OLDER, Process, Session, headers_for, modern, tool_call
from tests.support.asgi import Response

NAME = "describe-server"
METADATA = "http://localhost:3232/.well-known/oauth-protected-resource"


async def is_challenged(response: Response, endpoint: str = "/mcp") -> bool:
    """One challenge names all required scopes, including those that the token already has."""
    value = response.headers["www-authenticate"]
    fields = dict(re.findall(r'(\w+)="([^"]*)"', value))
    return (
        response.status == 403
        and (refusal := await response.json())["id"] == 1
        and refusal["error"]["message"] == "This requires the scope mcp:admin, which the token does not have."
        and fields["error_description"] == refusal["error"]["message"]
        and fields["error"] == "insufficient_scope"
        and fields["scope"] == "mcp mcp:admin"
        and fields["resource_metadata"] == METADATA + endpoint
    )


@pytest.mark.parametrize("revision", OLDER)
async def test_a_session_survives_a_challenge(one: Process, revision: str) -> None:
    session = await Session.open(one, revision=revision)
    assert await is_challenged(await session.post(one, tool_call(NAME)))
    assert "result" in await session.call(one, "echo", {"message": "still here"})


async def test_a_request_of_2026_07_28_is_challenged(one: Process) -> None:
    assert await is_challenged(await modern(one, "tools/call", {"name": NAME, "arguments": {}}))


async def test_a_message_of_http_sse_is_challenged(one: Process) -> None:
    stream = await one.http.request("GET", "/sse", headers=headers_for())
    opening = await stream.next_block()
    assert opening is not None
    assert opening.data is not None
    body = json.dumps(tool_call(NAME)).encode()
    response = await one.http.request("POST", opening.data, headers=headers_for(), body=body)
    assert await is_challenged(response, "/sse")


async def test_the_broader_scope_opens_the_session_and_the_tool(one: Process) -> None:
    session = await Session.open(one, "admin")
    answer = await session.call(one, NAME)
    assert answer["result"]["structuredContent"]["name"] == "everything-server"
    response = await modern(one, "tools/call", {"name": NAME, "arguments": {}}, token="admin")
    assert response.status == 200
    assert (await response.answer())["result"]["structuredContent"]["packages"]["mcp"]


async def test_arguments_make_no_difference(one: Process, session: Session) -> None:
    assert await is_challenged(await session.post(one, tool_call(NAME, {"verbose": True})))


async def test_a_notification_by_the_tools_name_runs_nothing(one: Process, session: Session) -> None:
    message = tool_call(NAME)
    del message["id"]
    assert (await session.post(one, message)).status == 202


async def test_the_tool_is_listed_with_what_it_needs(one: Process, session: Session) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    response = await one.http.request("POST", headers=session.headers(), body=body)
    [tool] = [tool for tool in (await response.answer())["result"]["tools"] if tool["name"] == NAME]
    assert tool["_meta"]["everything-server/scopes"] == ["mcp:admin"]


async def test_without_any_token_the_smallest_scope_is_asked_for(one: Process) -> None:
    response = await one.http.request(
        "POST", headers=headers_for(None), body=json.dumps(tool_call(NAME)).encode()
    )
    assert response.status == 401
    assert 'scope="mcp"' in response.headers["www-authenticate"]
