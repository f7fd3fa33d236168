"""A browser that opens an MCP endpoint is shown how to connect; a client gets what it always got."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from django.test import Client

from everything_site.middleware.browsers import is_browser
from tests.support.asgi import Http, Response

BROWSERS = {
    "Chrome": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
    "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    "Firefox": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Safari": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
}
CLIENTS = {
    "a request of the SDKs": "application/json, text/event-stream",
    "a stream of the SDKs": "text/event-stream",
    "EventSource": "text/event-stream",
    "curl, fetch, requests, httpx": "*/*",
    "axios": "application/json, text/plain, */*",
    "HttpURLConnection of Java": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    "a client that takes anything": "text/html, application/xhtml+xml, application/json, text/event-stream",
    "nothing": "",
}


def headers(accept: str, **others: str) -> list[tuple[bytes, bytes]]:
    named = {"accept": accept, **others}
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]


@pytest.mark.parametrize("accept", BROWSERS.values(), ids=BROWSERS)
def test_what_a_browser_asks_for_when_a_person_opens_an_address(accept: str) -> None:
    assert is_browser(headers(accept))


@pytest.mark.parametrize("accept", CLIENTS.values(), ids=CLIENTS)
def test_what_clients_ask_for(accept: str) -> None:
    assert not is_browser(headers(accept))


def test_a_request_without_accept_is_of_a_client() -> None:
    assert not is_browser([])


@pytest.mark.parametrize("name", ["authorization", "mcp_session_id", "mcp_protocol_version", "last_event_id"])
def test_a_request_with_a_header_of_clients_is_of_a_client(name: str) -> None:
    assert not is_browser(headers(BROWSERS["Chrome"], **{name: "x"}))


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    from everything_site.asgi import application

    http = Http(application)
    yield http
    await http.close()


async def answer(http: Http, path: str, accept: str, method: str = "GET") -> Response:
    """What the whole site answers to a request without a token."""
    return await http.request(method, path, headers={"host": "localhost:3232", "accept": accept})


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/sse", "/sse/"])
async def test_a_browser_is_shown_a_page(http: Http, path: str) -> None:
    page = await answer(http, path, BROWSERS["Firefox"])
    assert (page.status, page.content_type) == (200, "text/html")
    assert "Accept" in page.headers["vary"]
    assert "no-store" in page.headers["cache-control"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    text = (await page.body()).decode()
    assert "http://localhost:3232/mcp" in text
    assert "This address is for MCP clients" in text


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
@pytest.mark.parametrize("accept", CLIENTS.values(), ids=CLIENTS)
async def test_a_client_is_challenged(http: Http, path: str, accept: str) -> None:
    challenge = await answer(http, path, accept)
    assert challenge.status == 401
    assert "resource_metadata" in challenge.headers["www-authenticate"]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_only_a_get_is_shown_a_page(http: Http, method: str) -> None:
    assert (await answer(http, "/mcp", BROWSERS["Chrome"], method)).status == 401


async def test_messages_of_http_sse_have_no_page(http: Http) -> None:
    assert (await answer(http, "/message", BROWSERS["Chrome"])).status == 401


def test_the_page_has_the_snippets_of_the_landing_page() -> None:
    page, landing = (Client().get(path).content.decode() for path in ("/mcp", "/"))
    start, end = '<section class="connect"', "</section>\n"
    assert page[page.index(start) : page.rindex(end)] in landing
