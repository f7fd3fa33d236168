"""A database that is away: tokens cannot be looked up, and handlers cannot make their queries."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError
from mcp.server.auth.provider import AccessToken

from tests.mcp_app.transports.support import Process, Session, modern, request
from tests.support.asgi import Response

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


@pytest.mark.parametrize("error", AWAY)
async def test_a_handler_that_cannot_use_the_database_is_503_with_the_requests_id(
    one: Process, session: Session, error: Exception
) -> None:
    async def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    app = one.runtime.server.session_manager.app
    entry = app.get_request_handler("resources/list")
    assert entry is not None
    app.add_request_handler("resources/list", entry.params_type, fail)
    await refusal(await session.post(one, request("resources/list", id="mine")), "mine")
    await refusal(await modern(one, "resources/list", id="mine"), "mine")


async def test_a_fault_of_ours_is_not_called_an_outage(one: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(token: str) -> AccessToken | None:
        raise IntegrityError("duplicate")

    monkeypatch.setattr(one.tokens, "verify_token", fail)
    assert (await Session("unknown").post(one, request("ping"))).status == 500
