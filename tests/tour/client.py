"""Clients of the two eras, as thin as they can be: what a message needs around it, and nothing else."""

from __future__ import annotations

from typing import Any

from tests.tour.wire import Message, Reply, Wire

BOTH = "application/json, text/event-stream"
LATEST = "2025-11-25"
MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
CLIENT = {"name": "tour", "version": "1.0.0"}
EVERYTHING: Message = {
    "sampling": {"tools": {}, "context": {}},
    "elicitation": {"form": {}, "url": {}},
    "roots": {},
}


class Session:
    """A client of the revisions with a handshake."""

    def __init__(self, wire: Wire, token: str, revision: str = LATEST) -> None:
        self.wire = wire
        self.revision = revision
        self.headers = {"Authorization": f"Bearer {token}", "Accept": BOTH}
        self._ids = 0

    async def open(self, name: str = "SESSION-ID", *, folded: bool = True) -> Any:
        """Initialize a session.

        Args:
            name: By which name the pages show the id of the session.
            folded: Whether they fold the handshake into one line.
        """
        if folded:
            with self.wire.handshake():
                return await self._open(name)
        return await self._open(name)

    async def _open(self, name: str) -> Any:
        params = {"protocolVersion": self.revision, "capabilities": EVERYTHING, "clientInfo": CLIENT}
        message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        reply = await self.post(
            "The client opens a session and declares what it can do. The server answers with what it offers, "
            "and with the id of the session.",
            message,
        )
        session_id = reply.headers["mcp-session-id"]
        self.wire.learn(session_id, name)
        self.headers |= {"Mcp-Session-Id": session_id, "MCP-Protocol-Version": self.revision}
        answer = await reply.answer()
        await self.notify(
            "The client confirms with `notifications/initialized`.", "notifications/initialized"
        )
        return answer

    async def post(self, says: str, message: Message | list[Message]) -> Reply:
        return await self.wire.send(says, "POST", "/mcp", body=message, headers=self.headers)

    async def begin(self, says: str, method: str, params: Message | None = None) -> Reply:
        """Make a request and leave its answer to be read."""
        self._ids += 1
        message: Message = {"jsonrpc": "2.0", "id": self._ids, "method": method}
        return await self.post(says, message if params is None else {**message, "params": params})

    async def request(self, says: str, method: str, params: Message | None = None) -> Any:
        return await (await self.begin(says, method, params)).answer()

    async def call(self, says: str, tool: str, **arguments: Any) -> Any:
        return await self.request(says, "tools/call", {"name": tool, "arguments": arguments})

    async def notify(self, says: str, method: str, params: Message | None = None) -> None:
        message: Message = {"jsonrpc": "2.0", "method": method}
        await (await self.post(says, message if params is None else {**message, "params": params})).empty()

    async def respond(self, says: str, request: Message, result: Message) -> None:
        await (await self.post(says, {"jsonrpc": "2.0", "id": request["id"], "result": result})).empty()

    async def listen(self, says: str, **more: str) -> Reply:
        headers = {**self.headers, "Accept": "text/event-stream", **more}
        return await self.wire.send(says, "GET", "/mcp", headers=headers)


class Modern:
    """A client of 2026-07-28: each request stands alone."""

    def __init__(
        self, wire: Wire, token: str, capabilities: Message | None = None, *, revision: str = MODERN
    ) -> None:
        self.wire = wire
        self._revision = revision
        self._headers = {"Authorization": f"Bearer {token}", "Accept": BOTH, "MCP-Protocol-Version": revision}
        self._capabilities = capabilities or {}
        self._ids = 0

    async def begin(self, says: str, method: str, params: Message | None = None, name: str = "") -> Reply:
        self._ids += 1
        meta = {
            f"{META}protocolVersion": self._revision,
            f"{META}clientInfo": CLIENT,
            f"{META}clientCapabilities": self._capabilities,
        }
        message = {
            "jsonrpc": "2.0",
            "id": self._ids,
            "method": method,
            "params": {**(params or {}), "_meta": {**(params or {}).get("_meta", {}), **meta}},
        }
        headers = {**self._headers, "Mcp-Method": method, **({"Mcp-Name": name} if name else {})}
        return await self.wire.send(says, "POST", "/mcp", body=message, headers=headers)

    async def request(self, says: str, method: str, params: Message | None = None, name: str = "") -> Any:
        return await (await self.begin(says, method, params, name)).answer()

    async def call(self, says: str, tool: str, arguments: Message, **more: Any) -> Any:
        return await self.request(says, "tools/call", {"name": tool, "arguments": arguments, **more}, tool)
