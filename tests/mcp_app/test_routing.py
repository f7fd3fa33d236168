"""Which requests go to the MCP endpoints, and which to Django."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_app.routing import mcp_application
from tests.support.asgi import Http, Response


async def django(scope: Any, receive: Any, send: Any) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"x-path", scope["path"].encode())]}
    )
    await send({"type": "http.response.body", "body": b""})


async def ask(path: str, root_path: str = "") -> Response:
    application = mcp_application(django)

    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await application({**scope, "root_path": root_path}, receive, send)

    return await Http(mounted).request("GET", path, headers={"host": "another.example"})


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
