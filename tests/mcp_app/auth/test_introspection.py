import asyncio
import base64
from urllib.parse import parse_qs

import httpx2
import pytest

from mcp_app.auth.authorization_server import AuthorizationServerUnavailable
from mcp_app.auth.introspection import IntrospectionTokenVerifier

RESOURCE = "http://localhost:3232/mcp"
ACTIVE = {"active": True, "aud": RESOURCE, "sub": "7", "client_id": "client", "scope": "mcp"}


@pytest.fixture(autouse=True)
def separate(settings):
    settings.MCP_ISSUER = "https://auth.example"
    settings.MCP_INTROSPECTION_URL = "https://auth.example/introspect"
    settings.MCP_INTROSPECTION_CLIENT_ID = "mcp server"
    settings.MCP_INTROSPECTION_CLIENT_SECRET = "s:e&c"


def answering(status=200, json=None, **response):
    """A verifier whose server always answers the same, and the requests that it got."""
    asked = []

    def answer(request):
        asked.append(request)
        return httpx2.Response(status, json=json, **response)

    return IntrospectionTokenVerifier(httpx2.MockTransport(answer)), asked


async def test_an_active_token_is_accepted_and_the_question_is_authenticated():
    verifier, asked = answering(json=ACTIVE)
    token = await verifier.verify_token("t&t")
    await verifier.aclose()
    assert token.subject == "7"
    assert token.resource == RESOURCE
    [request] = asked
    assert request.method == "POST"
    assert str(request.url) == "https://auth.example/introspect"
    assert parse_qs(request.content.decode()) == {"token": ["t&t"], "token_type_hint": ["access_token"]}
    basic = request.headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic).decode() == "mcp%20server:s%3Ae%26c"


@pytest.mark.parametrize(
    "answer",
    [
        {"active": False},
        {},
        {"active": "true", **{k: v for k, v in ACTIVE.items() if k != "active"}},
        ACTIVE | {"aud": "https://other.example"},
        ACTIVE | {"aud": None},
        ACTIVE | {"iss": "https://other.example"},
        ACTIVE | {"exp": 1},
    ],
)
async def test_any_other_token_is_refused(answer):
    verifier, _ = answering(json=answer)
    assert await verifier.verify_token("t") is None
    await verifier.aclose()


async def test_an_audience_by_another_name_can_be_configured(settings):
    settings.MCP_TOKEN_AUDIENCE = "api://default"
    verifier, _ = answering(json=ACTIVE | {"aud": "api://default"})
    token = await verifier.verify_token("t")
    await verifier.aclose()
    assert token.resource == RESOURCE


@pytest.mark.parametrize(
    "response",
    [
        {"status": 500, "json": {}},
        {"status": 429, "json": {}},
        {"status": 401, "json": {"error": "invalid_client"}},
        {"status": 302, "headers": {"location": "https://auth.example/login"}},
        {"content": b"<html>"},
        {"json": ["active"]},
        {"content": b"[" * 200_000},
        {"content": b'{"active": true}' + b" " * 1_000_000},
    ],
)
async def test_an_unavailable_server_says_nothing_about_the_token(response, caplog):
    verifier, _ = answering(**response)
    with pytest.raises(AuthorizationServerUnavailable):
        await verifier.verify_token("the-token")
    await verifier.aclose()
    assert "authorization server unavailable" in caplog.text
    assert "the-token" not in caplog.text


async def test_refused_credentials_are_named_in_the_log(caplog):
    verifier, _ = answering(status=401, json={"error": "invalid_client"})
    with pytest.raises(AuthorizationServerUnavailable):
        await verifier.verify_token("t")
    await verifier.aclose()
    [record] = caplog.records
    assert record.reason == "status 401: it refuses INTROSPECTION_CLIENT_ID and its secret"


@pytest.mark.parametrize("failure", [httpx2.ConnectError, httpx2.ReadTimeout, httpx2.RemoteProtocolError])
async def test_a_server_that_is_unavailable_takes_no_slot(failure):
    def fail(request):
        raise failure("away", request=request)

    verifier = IntrospectionTokenVerifier(httpx2.MockTransport(fail))
    with pytest.raises(AuthorizationServerUnavailable):
        await verifier.verify_token("t")
    await verifier.aclose()


async def test_a_server_that_responds_byte_by_byte_runs_into_the_time_out(settings):
    """A byte from time to time: each read ends in time, but the response never does."""
    settings.MCP_AUTH_SERVER_TIMEOUT_SECONDS = 0.2

    async def dripping():
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    verifier = IntrospectionTokenVerifier(
        httpx2.MockTransport(lambda request: httpx2.Response(200, content=dripping()))
    )
    async with asyncio.timeout(20):
        with pytest.raises(AuthorizationServerUnavailable):
            await verifier.verify_token("t")
    await verifier.aclose()


async def test_a_slow_server_runs_into_the_time_out(settings, unused_tcp_port):
    """A real socket that accepts and stays silent: the time-out is the client's own."""
    settings.MCP_AUTH_SERVER_TIMEOUT_SECONDS = 0.05
    settings.MCP_INTROSPECTION_URL = f"http://127.0.0.1:{unused_tcp_port}/introspect"
    release = asyncio.Event()

    async def silent(reader, writer):
        await release.wait()
        writer.close()

    verifier = IntrospectionTokenVerifier()
    async with await asyncio.start_server(silent, "127.0.0.1", unused_tcp_port):
        with pytest.raises(AuthorizationServerUnavailable):
            await asyncio.wait_for(verifier.verify_token("t"), 5)
        await verifier.aclose()
        release.set()
