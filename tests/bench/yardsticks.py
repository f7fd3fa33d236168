"""The baselines, each an ASGI application.

`echo` does nothing, `floor` does the minimum for a call, `sdk` is the SDK's own server.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.runner import serve_one
from mcp_types import InitializeRequestParams

from mcp_app.sdk import Connection, TransportContext

_CLIENT = InitializeRequestParams.model_validate(
    {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
)


async def _read(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


async def _answer(send: Any, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Reads a body and answers with it: the ceiling of an ASGI server."""
    if scope["type"] == "http":
        await _answer(send, await _read(receive))


def _server() -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer("yardstick")

    @server.tool(name="echo")
    async def echo_tool(message: str) -> str:
        return f"Echo: {message}"

    return server


class _Call:
    """A dispatch context of the SDK that has nobody to talk to."""

    can_send_request = False
    message_metadata = None

    def __init__(self, request_id: Any) -> None:
        self.request_id = request_id
        self.transport = TransportContext(kind="streamable-http", can_send_request=False, headers={})
        self.cancel_requested = anyio.Event()

    async def send_raw_request(self, method: str, params: Mapping[str, Any] | None, opts: Any = None) -> Any:
        raise NotImplementedError

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: Any = None) -> None:
        raise NotImplementedError

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        raise NotImplementedError


@functools.cache
def _floor_server() -> MCPServer[Any]:
    server = _server()
    server.streamable_http_app()  # makes the session manager
    return server


async def run_by_sdk(server: MCPServer[Any], request: dict[str, Any]) -> dict[str, Any]:
    """What a request comes to at 2025-11-25, in no session."""
    call = _Call(request["id"])
    connection = Connection(call, protocol_version="2025-11-25", session_id="0", client_params=_CLIENT)
    connection.initialized.set()
    return await serve_one(
        server.session_manager.app,
        call,
        request["method"],
        request["params"],
        connection=connection,
        lifespan_state={},
    )


async def floor(scope: Any, receive: Any, send: Any) -> None:
    """Reads JSON, has the SDK run it, writes JSON: no sign-in, no check, no session, no log line."""
    if scope["type"] != "http":
        return
    request = json.loads(await _read(receive))
    result = await run_by_sdk(_floor_server(), request)
    answer = {"jsonrpc": "2.0", "id": request["id"], "result": result}
    await _answer(send, json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode())


# The SDK's Streamable HTTP application: sessions in memory, no sign-in, JSON replies.
sdk = _server().streamable_http_app(json_response=True)
