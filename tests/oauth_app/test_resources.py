import pytest

from oauth_app.resources import is_resource

RESOURCE = "https://mcp.example.com/mcp"


@pytest.mark.parametrize("value", [RESOURCE, RESOURCE + "/", "HTTPS://MCP.Example.COM/mcp"])
def test_the_resource_is_known_by_a_slash_more_and_in_upper_case(value):
    assert is_resource(value, RESOURCE)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "mcp",
        "https://mcp.example.com",
        "https://mcp.example.com/",
        "https://mcp.example.com/MCP",
        "https://mcp.example.com/mcp//",
        "https://mcp.example.com/mcp/tools",
        "https://mcp.example.com/mcp?x=1",
        "https://mcp.example.com/mcp#x",
        "https://mcp.example.com/mcp#",
        "https://x@mcp.example.com/mcp",
        "https://other.example.com/mcp",
        "http://mcp.example.com/mcp",
        "https://mcp.example.com:8443/mcp",
        " https://mcp.example.com/mcp",
        "https://mcp.example.com/m\ncp",
        "https://[",
    ],
)
def test_no_other_value_is_the_resource(value):
    assert not is_resource(value, RESOURCE)
