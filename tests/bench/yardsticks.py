"""What the server is held against: a bare ASGI echo, and the SDK's own server with nothing around it."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import MCPServer


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Reads a body and answers with as much JSON as a small call does: the ceiling of an ASGI server."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _sdk_server() -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer("yardstick")

    @server.tool(name="echo")
    async def echo_tool(message: str) -> str:
        return f"Echo: {message}"

    return server


# The SDK's Streamable HTTP application: sessions in memory, no sign-in, JSON replies.
sdk = _sdk_server().streamable_http_app(json_response=True)
