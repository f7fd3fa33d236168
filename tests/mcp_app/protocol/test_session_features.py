"""Log level and subscriptions go to the session; without one there is a clean error."""

from types import SimpleNamespace

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND
from starlette.requests import Request

from mcp_app.protocol.session_features import MAX_URI_LENGTH
from tests.support.in_memory import MODERN, Exchange, Session

CALLS = [
    ("logging/setLevel", {"level": "error"}),
    ("resources/subscribe", {"uri": "test://one"}),
    ("resources/unsubscribe", {"uri": "test://one"}),
]


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
async def test_the_session_is_told(server, version):
    session = Session()
    for method, params in CALLS:
        exchange = Exchange(version=version, request=SimpleNamespace(headers={}, session=session))
        assert await exchange.run(server, method, params) == {}
        assert exchange.asked == []  # the reference samples the client on a subscription and waits for it
    uri = "test://one"
    assert session.changes == [("level", "error"), ("subscribe", uri), ("unsubscribe", uri)]


@pytest.mark.parametrize(("method", "params"), CALLS)
@pytest.mark.parametrize(
    "request_object",
    [None, SimpleNamespace(headers={}, session=None), Request({"type": "http", "headers": []})],
    ids=["no request", "no session", "the SDK's transport"],
)
async def test_without_a_session_there_is_a_clean_error(server, method, params, request_object):
    with pytest.raises(MCPError, match="requires a session") as caught:
        await Exchange(request=request_object).run(server, method, params)
    assert caught.value.code == INVALID_REQUEST


async def test_an_unknown_level_never_reaches_the_session(server):
    session = Session()
    exchange = Exchange(request=SimpleNamespace(headers={}, session=session))
    with pytest.raises(Exception, match="level"):
        await exchange.run(server, "logging/setLevel", {"level": "loud"})
    assert session.changes == []


@pytest.mark.parametrize(("method", "params"), CALLS)
async def test_in_2026_07_28_the_methods_are_gone(server, method, params):
    exchange = Exchange(version=MODERN, request=SimpleNamespace(headers={}, session=Session()))
    with pytest.raises(MCPError) as caught:
        await exchange.run(server, method, params)
    assert caught.value.code == METHOD_NOT_FOUND


@pytest.mark.parametrize("uri", ["", "x" * (MAX_URI_LENGTH + 1)], ids=["empty", "long"])
async def test_a_uri_that_is_too_long_to_store_is_refused(server, uri):
    session = Session()
    exchange = Exchange(request=SimpleNamespace(headers={}, session=session))
    with pytest.raises(MCPError) as caught:
        await exchange.run(server, "resources/subscribe", {"uri": uri})
    assert caught.value.code == INVALID_PARAMS
    assert len(str(caught.value)) < 100
    assert session.changes == []


async def test_the_longest_uri_is_accepted(server):
    session = Session()
    exchange = Exchange(request=SimpleNamespace(headers={}, session=session))
    uri = f"test://named/{'x' * (MAX_URI_LENGTH - 13)}"
    assert len(uri) == MAX_URI_LENGTH
    assert await exchange.run(server, "resources/subscribe", {"uri": uri}) == {}
    assert session.changes == [("subscribe", uri)]
