import pytest
from mcp.server.mcpserver import MCPServer

from mcp_app.access import ToolScopes, needing
from mcp_app.auth.scopes import covers


@pytest.mark.parametrize(
    ("held", "needed", "enough"),
    [
        ({"mcp"}, {"mcp"}, True),
        ({"mcp", "profile"}, {"mcp"}, True),
        ({"mcp"}, {"mcp:admin"}, False),
        ({"mcp:admin"}, {"mcp:admin", "mcp"}, True),  # the broader one implies the narrower
        ({"mcp:administrator"}, {"mcp"}, False),
        (set(), {"mcp"}, False),
        (set(), set(), True),
    ],
)
def test_broader_scopes_imply_narrower_ones(held, needed, enough):
    assert covers(held, needed) is enough


async def nothing() -> str:
    return ""


async def test_a_tool_says_what_it_needs():
    server = MCPServer("test")
    server.add_tool(nothing, name="plain")
    server.add_tool(nothing, name="guarded", meta=needing("mcp:admin"))
    scopes = ToolScopes(server)
    assert await scopes.needed("tools/call", {"name": "guarded"}) == ("mcp:admin",)
    assert await scopes.needed("tools/call", {"name": "plain"}) == ()
    assert await scopes.needed("tools/call", {"name": "unknown"}) == ()
    assert await scopes.needed("tools/list", {"name": "guarded"}) == ()
    for params in (None, {}, {"name": None}, {"name": ["guarded"]}):
        assert await scopes.needed("tools/call", params) == ()


async def test_a_tool_that_is_added_later_is_guarded_too():
    server = MCPServer("test")
    scopes = ToolScopes(server)
    assert await scopes.needed("tools/call", {"name": "late"}) == ()
    server.add_tool(nothing, name="late", meta=needing("mcp:admin"))
    assert await scopes.needed("tools/call", {"name": "late"}) == ("mcp:admin",)
