"""The log line of a request says who called what."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tests.mcp_app.transports.support import (
    Process,
    Session,
    headers_for,
    initialize,
    modern,
    notification,
    request,
    tool_call,
    within,
)
from tests.support.asgi import Http

LOGGER = "everything_site.requests"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, LOGGER)
    return caplog


async def last(lines: pytest.LogCaptureFixture, http: Http) -> dict[str, Any]:
    """The fields of the last line that are about MCP."""
    task = http.responses[-1].task
    assert task is not None
    await within(task)
    fields = [line.__dict__ for line in lines.records if line.name == LOGGER][-1]
    names = ("method", "messages", "tool", "username", "client")
    return {name: fields[name] for name in names if name in fields}


async def test_the_log_line_of_a_call_has_its_tool_user_and_client(
    one: Process, session: Session, lines: pytest.LogCaptureFixture
) -> None:
    who = {"username": "alice", "client": "client"}
    await session.call(one, "echo", {"message": "x"})
    assert await last(lines, one.http) == {"method": "tools/call", "tool": "echo", **who}
    await (await modern(one, "tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}})).body()
    assert await last(lines, one.http) == {"method": "tools/call", "tool": "add", **who}
    await session.post(one, request("prompts/get", {"name": "simple_prompt"}))
    assert await last(lines, one.http) == {"method": "prompts/get", **who}
    await session.post(one, notification("notifications/initialized"))
    assert await last(lines, one.http) == {"method": "notifications/initialized", **who}
    await session.delete(one)
    assert await last(lines, one.http) == who


async def test_the_log_line_of_a_batch_has_its_number_of_messages(
    one: Process, lines: pytest.LogCaptureFixture
) -> None:
    session = await Session.open(one, revision="2025-03-26")
    await (await session.post(one, [request("ping"), request("ping", id=2)])).body()
    who = {"username": "alice", "client": "client"}
    assert await last(lines, one.http) == {"method": "batch", "messages": 2, **who}


async def test_without_a_token_there_is_no_principal(one: Process, lines: pytest.LogCaptureFixture) -> None:
    await one.http.request("POST", headers=headers_for(None), body=b"{}")
    assert await last(lines, one.http) == {}


@pytest.mark.parametrize("name", ["x" * 10_000, 7, None, {}])
async def test_what_a_client_names_is_truncated_and_only_text(
    one: Process, session: Session, lines: pytest.LogCaptureFixture, name: Any
) -> None:
    await session.post(one, tool_call(name))
    tool: Any = (await last(lines, one.http)).get("tool")
    assert (len(tool) < 200) if isinstance(name, str) else tool is None
    await session.post(one, request("m" * 250))
    assert len((await last(lines, one.http))["method"]) < 200


async def test_the_name_of_a_clients_software_is_truncated(
    one: Process, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mcp_app.calls.initialize")
    message = initialize()
    message["params"]["clientInfo"] = {"name": "n" * 250, "version": "v" * 250}
    body = json.dumps(message).encode()
    assert (await one.http.request("POST", headers=headers_for(), body=body)).status == 200
    [line] = [each for each in caplog.records if each.getMessage() == "session opened"]
    assert len(vars(line)["software"]) < 300
