"""A WebSocket connection to a server without WebSockets."""

from __future__ import annotations

from http.client import HTTPConnection

import pytest

from tests.everything_site.started import ask
from tests.support.deployment import Deployment

pytestmark = pytest.mark.processes

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize("which", ["MCP server", "authorization server"])
def test_a_websocket_is_refused_and_no_error_is_logged(separate: Deployment, which: str) -> None:
    server = separate.servers[0] if which == "MCP server" else separate.auth
    assert server is not None
    logged_before = len(server.log)
    for path in ("/", "/mcp", "/nowhere"):
        connection = HTTPConnection("localhost", server.port, timeout=10)
        connection.request("GET", path, headers=UPGRADE)
        assert connection.getresponse().status == 403
        connection.close()
    assert ask(server.port)[0] == 200, "whatever there was to log before this request is logged"
    assert "Traceback" not in server.log[logged_before:]
    assert '"level":"error"' not in server.log[logged_before:]
