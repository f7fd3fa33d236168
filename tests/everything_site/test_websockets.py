"""A WebSocket is asked for at a server that has none."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tests.support.processes import Installation, ServerProcess, free_port, installation

pytestmark = pytest.mark.processes

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def separate() -> Iterator[Installation]:
    with installation(
        f"http://localhost:{free_port()}",
        AUTH_MODE="separate",
        INTROSPECTION_CLIENT_ID="mcp-server",
        INTROSPECTION_CLIENT_SECRET="x" * 40,
    ) as made:
        yield made


@pytest.mark.parametrize("application", ["everything_site.asgi", "everything_site.auth_asgi"])
def test_a_websocket_is_refused_and_no_error_is_logged(separate: Installation, application: str) -> None:
    server = ServerProcess(separate, application=f"{application}:application")
    try:
        server.start()
        for path in ("/", "/mcp", "/nowhere"):
            connection = HTTPConnection("localhost", server.port, timeout=10)
            connection.request("GET", path, headers=UPGRADE)
            assert connection.getresponse().status == 403
            connection.close()
    finally:
        server.stop()
    assert "Traceback" not in server.log
    assert '"level":"error"' not in server.log
