"""Which requests go to the MCP endpoints, and which to Django."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from mcp_app.routing import mcp_application
from mcp_app.runtime import Runtime
from tests.support.asgi import Http, Response


async def django(scope: Any, receive: Any, send: Any) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"x-path", scope["path"].encode())]}
    )
    await send({"type": "http.response.body", "body": b""})


async def ask(path: str, root_path: str = "", host: str = "another.example", **headers: str) -> Response:
    application = mcp_application(django)

    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await application({**scope, "root_path": root_path}, receive, send)

    return await Http(mounted).request("GET", path, headers={"host": host, **headers})


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "//mcp", "/sse", "/sse/", "/message", "/message/"])
async def test_the_endpoints_are_behind_the_guard(path: str) -> None:
    assert (await ask(path)).status == 421, "the host is looked at before anything else"


@pytest.mark.parametrize(
    "path", ["/", "/mcp/x", "/mcp//", "/MCP", "/sse.txt", "/healthz/", "/.well-known/mcp"]
)
async def test_everything_else_goes_to_django_as_it_came(path: str) -> None:
    response = await ask(path)
    assert (response.status, response.headers["x-path"]) == (200, path)


async def test_where_the_application_is_mounted_is_no_part_of_a_path() -> None:
    assert (await ask("/under/healthz", "/under")).status == 200
    assert (await ask("/healthz", "/under")).status == 200, "as servers say it that take the prefix away"
    assert "x-path" in (await ask("/under/x", "/under")).headers


async def test_a_probe_needs_no_redis() -> None:
    assert (await ask("/healthz")).status == 200


@pytest.mark.parametrize(("path", "root"), [("/shop/mcp", ""), ("/shop/mcp", "/shop"), ("/mcp", "/shop")])
async def test_the_endpoints_are_where_the_resource_url_says(settings: Any, path: str, root: str) -> None:
    settings.MCP_RESOURCE_URL = "https://example.com/shop/mcp"
    del settings.MCP_SSE_RESOURCE_URL
    for name in ("mcp", "sse", "message"):
        assert (await ask(path.removesuffix("mcp") + name, root)).status == 421
    if not root:
        for other in ("/mcp", "/sse", "/message"):
            assert "x-path" in (await ask(other)).headers, "a page of the project"


async def test_the_endpoint_may_be_the_root_of_its_host(settings: Any) -> None:
    settings.MCP_RESOURCE_URL = "https://mcp.example.com"
    del settings.MCP_SSE_RESOURCE_URL
    for path in ("/", "/sse", "/message"):
        assert (await ask(path)).status == 421
    assert "x-path" in (await ask("/page")).headers


async def test_http_sse_can_be_left_out(settings: Any) -> None:
    settings.MCP_HTTP_SSE = False
    assert (await ask("/mcp")).status == 421
    for path in ("/sse", "/message"):
        assert "x-path" in (await ask(path)).headers


async def test_probes_can_be_moved_and_left_out(settings: Any) -> None:
    settings.MCP_LIVENESS_PATH, settings.MCP_READINESS_PATH = "/mcp/alive", ""
    assert await (await ask("/mcp/alive")).json() == {"status": "alive"}
    for path in ("/healthz", "/readyz", "/"):
        assert "x-path" in (await ask(path)).headers


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "shop.localhost"])
async def test_with_debug_the_hosts_that_django_allows_are_allowed(settings: Any, host: str) -> None:
    settings.ALLOWED_HOSTS = []
    assert (await ask("/mcp", host=host)).status == 421
    settings.DEBUG = True
    assert (await ask("/mcp", host=host, origin="https://evil.example")).status == 403, "checked next"
    assert (await ask("/mcp", host="shop.example")).status == 421


async def test_a_websocket_goes_to_the_other_application() -> None:
    seen: list[Any] = []

    async def others(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    await mcp_application(others)({"type": "websocket", "path": "/mcp"}, AsyncMock(), AsyncMock())
    assert seen == ["/mcp"]


class Server:
    """A server's side of the lifespan protocol."""

    def __init__(self, runtime: Runtime) -> None:
        self.application = mcp_application(django, runtime=runtime)
        self._events: asyncio.Queue[Any] = asyncio.Queue()
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await self.application({"type": "lifespan"}, self._events.get, self._answers.put)

    async def tell(self, event: str) -> str:
        await self._events.put({"type": f"lifespan.{event}"})
        async with asyncio.timeout(10):
            return str((await self._answers.get())["type"])


async def test_a_server_that_sends_lifespan_events_stops_the_runtime() -> None:
    runtime = Runtime()
    server = Server(runtime)
    assert await server.tell("startup") == "lifespan.startup.complete"
    await runtime.start()
    assert await server.tell("shutdown") == "lifespan.shutdown.complete"
    assert (await Http(server.application).request("GET", "/readyz", headers={"host": "x"})).status == 503


async def test_a_server_that_never_served_mcp_stops_without_redis(settings: Any) -> None:
    settings.MCP_REDIS_URL = "unix:///nowhere/valkey.sock"
    server = Server(Runtime())
    await server.tell("startup")
    with patch("redis.asyncio.connection.AbstractConnection.connect", side_effect=AssertionError):
        assert await server.tell("shutdown") == "lifespan.shutdown.complete"


async def test_a_server_learns_that_the_end_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime()
    monkeypatch.setattr(runtime, "stop", AsyncMock(side_effect=RuntimeError("no end")))
    server = Server(runtime)
    await server.tell("startup")
    assert await server.tell("shutdown") == "lifespan.shutdown.failed"


def test_an_app_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "is_installed", lambda name: False)
    with pytest.raises(ImproperlyConfigured, match=r'Add "mcp_app" to INSTALLED_APPS'):
        mcp_application(django)
