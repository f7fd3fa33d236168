"""Tests of your own server: the official client, signed in as a user, on the engine, without a socket.

    from mcp_app.testing import Client

    async with Client(user=alice) as client:
        result = await client.call_tool("price", {"item": "pear"})

`mcp_app.testing.fixtures` has the fixtures for pytest.
"""

from mcp_app.testing.client import Client

__all__ = ["Client"]
