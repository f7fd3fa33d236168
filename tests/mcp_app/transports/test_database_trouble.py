"""An unavailable database: tokens cannot be looked up, and handlers cannot run queries."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, InternalError, OperationalError
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from mcp_app.exceptions import Store, Unavailable
from tests.mcp_app.transports.support import (
    LATEST,
    Process,
    Session,
    headers_for,
    initialize,
    modern,
    request,
)
from tests.support.asgi import Response

PLACE = "redis.internal:6379"
AWAY = [
    OperationalError("connection refused"),
    OperationalError("database is locked"),
    InterfaceError("connection already closed"),
]


async def refusal(response: Response, id: Any) -> None:
    assert (response.status, response.content_type) == (503, "application/json")
    assert int(response.headers["retry-after"]) > 0
    answer = await response.json()
    assert (answer["id"], answer["error"]["code"]) == (id, -32603)
    assert "database" in answer["error"]["message"]
    assert "refused" not in answer["error"]["message"]  # what went wrong is for the log


@pytest.mark.parametrize("error", AWAY)
async def test_a_token_that_cannot_be_looked_up_is_503_and_not_401(
    one: Process, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(token: str) -> AccessToken | None:
        raise error

    monkeypatch.setattr(one.tokens, "verify_token", fail)
    session = Session("unknown")
    await refusal(await session.post(one, request("ping")), None)
    await refusal(await session.get(one), None)
    await refusal(await modern(one, "tools/list"), None)
    await refusal(await one.http.request("GET", "/sse", headers=session.headers()), None)


def listing_raises(process: Process, error: Exception) -> None:
    """Let the handler of `resources/list` fail with an error."""

    async def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    app = process.runtime.server.session_manager.app
    entry = app.get_request_handler("resources/list")
    assert entry is not None
    app.add_request_handler("resources/list", entry.params_type, fail)


@pytest.mark.parametrize("error", AWAY)
async def test_a_handler_that_cannot_use_the_database_is_503_with_the_requests_id(
    one: Process, session: Session, error: Exception
) -> None:
    listing_raises(one, error)
    await refusal(await session.post(one, request("resources/list", id="mine")), "mine")
    await refusal(await modern(one, "resources/list", id="mine"), "mine")


def read_only() -> DatabaseError:
    """What a standby raises."""
    cause = Exception("cannot execute INSERT in a read-only transaction")
    cause.sqlstate = "25006"  # type: ignore[attr-defined]
    error = InternalError("read-only")
    error.__cause__ = cause
    return error


def register_failing(server: Any, error: Exception) -> list[tuple[str, dict[str, Any]]]:
    """Register a tool, a prompt and a resource that raise an error; the requests that use them."""

    async def failing() -> str:
        raise error

    async def nested(ctx: Context) -> str:
        return str(await ctx.read_resource("test://failing"))

    server.add_tool(failing, structured_output=False)
    server.add_tool(nested, structured_output=False)
    server.prompt(name="failing")(failing)
    server.resource("test://failing")(failing)
    return [
        ("tools/call", {"name": "failing", "arguments": {}}),
        ("tools/call", {"name": "nested", "arguments": {}}),
        ("prompts/get", {"name": "failing"}),
        ("resources/read", {"uri": "test://failing"}),
    ]


@pytest.mark.parametrize("error", [*AWAY, read_only()])
async def test_a_tool_a_prompt_or_a_resource_that_cannot_use_the_database_is_503(
    one: Process, session: Session, error: Exception
) -> None:
    for method, params in register_failing(one.runtime.server, error):
        await refusal(await session.post(one, request(method, params, id="mine")), "mine")
        await refusal(await modern(one, method, params, id="mine"), "mine")


async def test_a_tool_that_cannot_use_redis_is_503(one: Process, session: Session) -> None:
    failing = register_failing(one.runtime.server, Unavailable(Store.SESSIONS, PLACE))
    for method, params in failing:
        for response in (
            await session.post(one, request(method, params)),
            await modern(one, method, params),
        ):
            assert (response.status, response.headers["retry-after"]) == (503, "2")
            assert PLACE.encode() not in await response.body()


async def test_what_a_tool_decides_to_report_is_not_503(one: Process, session: Session) -> None:
    async def deliberate() -> None:
        try:
            raise OperationalError("connection refused")
        except OperationalError as error:
            raise ToolError("no data today") from error

    async def broken() -> None:
        raise IntegrityError("duplicate")

    one.runtime.server.add_tool(deliberate)
    one.runtime.server.add_tool(broken)
    for tool, text in (("deliberate", "no data today"), ("broken", "Error executing tool broken")):
        answer = await session.call(one, tool)
        assert answer["result"]["isError"]
        assert text in answer["result"]["content"][0]["text"]


@pytest.mark.parametrize("error", [*AWAY, Unavailable(Store.SESSIONS, f"Error 111 connecting to {PLACE}")])
async def test_the_cause_of_a_failure_on_a_stream_is_only_logged(
    one: Process, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    listing_raises(one, error)
    stream = await one.http.request("GET", "/sse", headers=headers_for())
    opening = await stream.next_block()
    assert opening is not None
    assert opening.data is not None
    for message in (initialize(LATEST), request("resources/list", id="mine")):
        body = json.dumps(message).encode()
        await one.http.request("POST", opening.data, headers=headers_for(), body=body)
        answer = await stream.next_message()
    assert (answer["id"], answer["error"]["code"]) == ("mine", -32603)
    assert answer["error"]["message"].endswith("try again shortly.")
    assert str(error) not in answer["error"]["message"]
    [line] = [line for line in caplog.records if line.getMessage().startswith("request failed: ")]
    assert vars(line)["reason"] == str(error)


async def test_our_own_bug_is_not_reported_as_an_outage(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(token: str) -> AccessToken | None:
        raise IntegrityError("duplicate")

    monkeypatch.setattr(one.tokens, "verify_token", fail)
    assert (await Session("unknown").post(one, request("ping"))).status == 500
