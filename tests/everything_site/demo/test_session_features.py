"""The log level of a session, and what it can subscribe to."""

import asyncio
from types import SimpleNamespace

import pytest
from mcp.shared.exceptions import MCPError

from mcp_app.protocol.error_codes import RESOURCE_NOT_FOUND

from .support import MODERN, WAIT, Exchange, Session, connect


async def test_the_new_level_is_reported_as_a_log_message(server):
    exchange = Exchange(request=SimpleNamespace(headers={}, session=Session()))
    await exchange.run(server, "logging/setLevel", {"level": "warning"})
    ((method, params),) = exchange.standalone
    assert method == "notifications/message"
    assert params["logger"] == "everything-server"
    assert params["data"] == "Logging level set to: warning"
    assert exchange.own == []


@pytest.mark.parametrize(
    "uri",
    [
        "nope://x",
        "test://static/resource/999",
        "test://static/resource/01",
        "TEST://static/resource/1",
        "test://static/resource/1/",
        "note://somebody/n1",
        "session://files/x.gz",
        "not a URI",
        "ui://hello-world/app.htm",
    ],
)
async def test_only_what_can_be_read_can_be_subscribed_to(server, uri):
    # Specification 2025-11-25, server/resources, "Error Handling".
    session = Session()
    exchange = Exchange(request=SimpleNamespace(headers={}, session=session))
    with pytest.raises(MCPError) as caught:
        await exchange.run(server, "resources/subscribe", {"uri": uri})
    assert (caught.value.code, caught.value.data) == (RESOURCE_NOT_FOUND, {"uri": uri})
    assert await exchange.run(server, "resources/unsubscribe", {"uri": uri}) == {}
    assert ("subscribe", uri) not in session.changes


@pytest.mark.parametrize(
    "uri",
    ["test://static/resource/100", "ui://hello-world/app.html", "skill://try-everything/SKILL.md"],
)
async def test_whatever_can_be_read_can_be_subscribed_to(server, uri):
    session = Session()
    exchange = Exchange(request=SimpleNamespace(headers={}, session=session))
    assert await exchange.run(server, "resources/subscribe", {"uri": uri}) == {}
    assert session.changes == [("subscribe", uri)]


async def test_a_listen_stream_honors_only_what_exists(server):
    # 2026-07-28, basic/patterns/subscriptions, "Acknowledgment": the subset that the server agreed to honor.
    wanted = ["nope://x", "test://static/resource/1", "test://static/resource/999", "session://files/x.gz"]
    async with asyncio.timeout(WAIT), connect(server, MODERN) as client:
        async with client.listen(resource_subscriptions=wanted) as stream:
            assert stream.honored.resource_subscriptions == ["test://static/resource/1"]
        async with client.listen(prompts_list_changed=True, resource_subscriptions=["nope://x"]) as stream:
            assert not stream.honored.resource_subscriptions
            assert stream.honored.prompts_list_changed
