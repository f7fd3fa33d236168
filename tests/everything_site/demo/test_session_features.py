"""Log level and subscriptions go to the session; without one there is a clean error."""

import asyncio
from types import SimpleNamespace

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND
from starlette.requests import Request

from mcp_app.protocol.error_codes import RESOURCE_NOT_FOUND
from mcp_app.protocol.session_features import LONGEST_URI

from .support import MODERN, WAIT, Exchange, Values, connect

CALLS = [
    ("logging/setLevel", {"level": "error"}),
    ("resources/subscribe", {"uri": "test://static/resource/1"}),
    ("resources/unsubscribe", {"uri": "test://static/resource/1"}),
]


class Session:
    """A session that keeps what it was told."""

    def __init__(self):
        self.record = SimpleNamespace(id="s", subscriptions=frozenset())
        self.data = Values()
        self.told = []

    async def set_log_level(self, level):
        self.told.append(("level", level))

    async def subscribe(self, uri):
        self.told.append(("subscribe", uri))

    async def unsubscribe(self, uri):
        self.told.append(("unsubscribe", uri))


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
async def test_the_session_is_told(server, version):
    session = Session()
    for method, params in CALLS:
        exchange = Exchange(version=version, request=SimpleNamespace(headers={}, session=session))
        assert await exchange.run(server, method, params) == {}
        assert exchange.asked == []  # the reference samples the client on a subscription and waits for it
    uri = "test://static/resource/1"
    assert session.told == [("level", "error"), ("subscribe", uri), ("unsubscribe", uri)]


async def test_the_new_level_is_announced_on_the_log(server):
    exchange = Exchange(request=SimpleNamespace(headers={}, session=Session()))
    await exchange.run(server, "logging/setLevel", {"level": "warning"})
    ((method, params),) = exchange.standalone
    assert method == "notifications/message"
    assert params["logger"] == "everything-server"
    assert params["data"] == "Logging level set to: warning"
    assert exchange.own == []


@pytest.mark.parametrize(("method", "params"), CALLS)
@pytest.mark.parametrize(
    "request_object",
    [None, SimpleNamespace(headers={}, session=None), Request({"type": "http", "headers": []})],
    ids=["no request", "no session", "the SDK's transport"],
)
async def test_without_a_session_there_is_a_clean_error(server, method, params, request_object):
    with pytest.raises(MCPError, match="needs a session") as caught:
        await Exchange(request=request_object).run(server, method, params)
    assert caught.value.code == INVALID_REQUEST


async def test_an_unknown_level_never_reaches_the_session(server):
    session = Session()
    exchange = Exchange(request=SimpleNamespace(headers={}, session=session))
    with pytest.raises(Exception, match="level"):
        await exchange.run(server, "logging/setLevel", {"level": "loud"})
    assert session.told == []


@pytest.mark.parametrize(("method", "params"), CALLS)
async def test_at_2026_07_28_the_methods_are_gone(server, method, params):
    exchange = Exchange(version=MODERN, request=SimpleNamespace(headers={}, session=Session()))
    with pytest.raises(MCPError) as caught:
        await exchange.run(server, method, params)
    assert caught.value.code == METHOD_NOT_FOUND


@pytest.mark.parametrize("uri", ["", "x" * (LONGEST_URI + 1)], ids=["empty", "long"])
async def test_a_uri_that_no_session_should_keep_is_refused(server, uri):
    session = Session()
    exchange = Exchange(request=SimpleNamespace(headers={}, session=session))
    with pytest.raises(MCPError) as caught:
        await exchange.run(server, "resources/subscribe", {"uri": uri})
    assert caught.value.code == INVALID_PARAMS
    assert len(str(caught.value)) < 100
    assert session.told == []


async def test_the_longest_uri_is_kept(fixture_server):
    session = Session()
    exchange = Exchange(request=SimpleNamespace(headers={}, session=session))
    uri = f"test://template/{'x' * (LONGEST_URI - 21)}/data"
    assert len(uri) == LONGEST_URI
    assert await exchange.run(fixture_server, "resources/subscribe", {"uri": uri}) == {}
    assert session.told == [("subscribe", uri)]


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
    assert ("subscribe", uri) not in session.told


@pytest.mark.parametrize(
    "uri",
    ["test://static/resource/100", "ui://hello-world/app.html", "skill://try-everything/SKILL.md"],
)
async def test_whatever_can_be_read_can_be_subscribed_to(server, uri):
    session = Session()
    exchange = Exchange(request=SimpleNamespace(headers={}, session=session))
    assert await exchange.run(server, "resources/subscribe", {"uri": uri}) == {}
    assert session.told == [("subscribe", uri)]


async def test_a_listen_stream_honors_what_exists_alone(server):
    # 2026-07-28, basic/patterns/subscriptions, "Acknowledgment": the subset that the server agreed to honor.
    wanted = ["nope://x", "test://static/resource/1", "test://static/resource/999", "session://files/x.gz"]
    async with asyncio.timeout(WAIT), connect(server, MODERN) as client:
        async with client.listen(resource_subscriptions=wanted) as stream:
            assert stream.honored.resource_subscriptions == ["test://static/resource/1"]
        async with client.listen(prompts_list_changed=True, resource_subscriptions=["nope://x"]) as stream:
            assert not stream.honored.resource_subscriptions
            assert stream.honored.prompts_list_changed
