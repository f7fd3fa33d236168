import time

import pytest

from mcp_app.auth.claims import access_token, names

RESOURCE = "https://mcp.example/mcp"
ISSUER = "https://auth.example"
CLAIMS = {"iss": ISSUER, "aud": RESOURCE, "sub": "alice", "client_id": "client", "scope": "mcp profile"}


def read(audiences=(RESOURCE,), **changes):
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not ...}
    return access_token("token", claims, issuer=ISSUER, audiences=audiences, resource=RESOURCE)


def test_the_permissions_of_a_token_are_shown():
    soon = int(time.time()) + 60
    token = read(exp=soon, username="Alice", client_name="The client")
    assert token.client_id == "client"
    assert token.scopes == ["mcp", "profile"]
    assert token.subject == "alice"
    assert token.expires_at == soon
    assert token.resource == RESOURCE
    assert token.claims == {"iss": ISSUER, "username": "Alice", "client_name": "The client"}


@pytest.mark.parametrize(
    ("aud", "is_ours"),
    [
        (RESOURCE, True),
        (RESOURCE + "/", True),
        ("HTTPS://MCP.EXAMPLE/mcp", True),
        (["account", RESOURCE], True),
        (None, False),
        ([], False),
        ("", False),
        ("https://mcp.example", False),
        ("https://mcp.example/", False),
        ("https://mcp.example/mcpx", False),
        ("https://mcp.example/mcp/tools", False),
        ("https://mcp.example/MCP", False),
        ("https://mcp.example/mcp#x", False),
        (" https://mcp.example/mcp", False),
        ("https://other.example/mcp", False),
        (["https://other.example/mcp", 1, None], False),
        ({"aud": RESOURCE}, False),
        ("https://[", False),
    ],
)
def test_the_audience_is_exact(aud, is_ours):
    assert names(aud, RESOURCE) is is_ours
    assert (read(aud=aud) is not None) is is_ours


@pytest.mark.parametrize(
    ("aud", "is_ours"),
    [
        (RESOURCE, True),
        ("https://mcp.example/sse", True),
        ("https://mcp.example/sse/", True),
        ("https://mcp.example/message", False),
        ("https://mcp.example", False),
        (["https://other.example", "https://mcp.example/sse"], True),
    ],
)
def test_a_token_may_name_either_of_the_endpoints(aud, is_ours):
    assert (read(audiences=(RESOURCE, "https://mcp.example/sse"), aud=aud) is not None) is is_ours


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"iss": ISSUER + "/"},
        {"iss": None},
        {"aud": ...},
        {"sub": ...},
        {"sub": ""},
        {"sub": 1},
        {"client_id": ...},
        {"exp": 1},
        {"exp": "tomorrow"},
        {"exp": True},
        {"nbf": time.time() + 3600},
    ],
)
def test_a_token_that_is_not_for_us_is_refused(changes):
    assert read(**changes) is None


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        ({"scope": ...}, []),
        ({"scope": ..., "scp": ["mcp", "x"]}, ["mcp", "x"]),
        ({"scope": ..., "scp": "mcp"}, ["mcp"]),
        ({"scope": {"mcp": 1}}, []),
        ({"scope": ["mcp", 1]}, ["mcp"]),
    ],
)
def test_scopes_are_read_as_servers_write_them(changes, scopes):
    assert read(**changes).scopes == scopes


@pytest.mark.parametrize("name", ["azp", "cid"])
def test_the_client_is_found_under_other_names(name):
    assert read(**{"client_id": ..., name: "theirs"}).client_id == "theirs"
