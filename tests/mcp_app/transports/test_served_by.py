"""The name of a process: on the responses that it served, and on what it holds in Redis."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from mcp_app.coordination.bus import name_in
from mcp_app.coordination.keys import processes
from mcp_app.routing import mcp_application
from mcp_app.sessions import keys
from tests.mcp_app.transports.support import Process, Session, headers_for, tool_call
from tests.support.asgi import Http

SAMPLE = tool_call("sampleLLM", {"prompt": "What is the capital of France?"})


@pytest.fixture
def named(mcp_settings: Any) -> Any:
    mcp_settings.MCP_PROCESS_NAME, mcp_settings.MCP_SERVED_BY = "p7", True
    return mcp_settings


async def page(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


@pytest.mark.parametrize("is_named", [True, False])
def test_servers_take_the_application_for_one_of_asgi_3(named: Any, is_named: bool) -> None:
    """Daphne and uvicorn call anything but a coroutine function as ASGI 2 has it, with the scope alone."""
    named.MCP_SERVED_BY = is_named
    assert iscoroutinefunction(mcp_application(page))


@pytest.mark.parametrize("path", ["/mcp", "/sse", "/message", "/healthz", "/a/page"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_every_response_names_its_process(
    named: Any, start_process: Callable[[], Process], path: str, method: str
) -> None:
    application = mcp_application(page, runtime=start_process().runtime)
    response = await Http(application).request(method, path, headers=headers_for(None))
    assert response.headers["x-served-by"] == "p7"


async def test_no_response_does_unless_the_setting_is_on(one: Process) -> None:
    response = await one.http.request("GET", headers=headers_for(None))
    assert "x-served-by" not in response.headers


async def test_it_is_on_in_development(mcp_settings: Any, start_process: Callable[[], Process]) -> None:
    mcp_settings.DEBUG = True
    response = await start_process().http.request("GET", headers=headers_for(None))
    assert response.headers["x-served-by"]


async def test_a_page_of_another_origin_may_read_it(named: Any, start_process: Callable[[], Process]) -> None:
    headers = headers_for(None, origin="https://app.example")
    exposed = (await start_process().http.request("GET", headers=headers)).headers[
        "access-control-expose-headers"
    ]
    assert {"x-served-by", "x-request-id"} <= {name.strip().lower() for name in exposed.split(",")}


async def test_what_it_holds_in_redis_has_its_name(named: Any, start_process: Callable[[], Process]) -> None:
    process = start_process()
    session = await Session.open(process)
    response = await session.post(process, SAMPLE)
    asked = await response.next_message()
    redis = process.runtime.redis
    assert process.runtime.bus.address in await redis.zrange(processes(), 0, -1)
    assert name_in(process.runtime.bus.address) == "p7"
    [stream] = await redis.hkeys(keys.calls(session.id))
    holder = str(await redis.get(keys.lease(session.id, str(stream))))
    assert holder.startswith("p7.")
    assert "p7" not in asked["id"], "clients are not told what else a host may be called"


@pytest.mark.parametrize("name", ["", "two words", "a.b", '"', "x" * 41])
async def test_a_name_that_would_not_fit_into_a_key_is_refused(settings: Any, name: str) -> None:
    settings.MCP_PROCESS_NAME = name
    with pytest.raises(ImproperlyConfigured, match="MCP_PROCESS_NAME"):
        mcp_application(None)
