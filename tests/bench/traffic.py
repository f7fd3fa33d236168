"""What the clients of the benchmark send."""

from __future__ import annotations

import httpx2

from tests.support.wire import ECHO, INITIALIZE, JSON_OR_STREAM

SETTINGS = "tests.bench.settings"

ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
STATELESS_CALL = ECHO | {"params": {"name": "echo", "arguments": {"message": "hello"}, "_meta": ENVELOPE}}
STATELESS_HEADERS = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "echo"}

Headers = dict[str, str]


def open_session(port: int, headers: Headers) -> Headers:
    """Open a session; returns the headers of its requests."""
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=JSON_OR_STREAM) as http:
        answer = http.post("/mcp", json=INITIALIZE, headers={"Host": f"localhost:{port}"} | headers)
        answer.raise_for_status()
        return headers | {
            "Mcp-Session-Id": answer.headers["mcp-session-id"],
            "MCP-Protocol-Version": "2025-11-25",
        }
