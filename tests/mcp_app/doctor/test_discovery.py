"""The checks of the challenge and the metadata, with valid and broken responses."""

import json

import pytest

from mcp_app.doctor import discovery
from mcp_app.doctor.findings import Level, Reply

MCP = "https://mcp.example/mcp"
ISSUER = "https://auth.example"
RESOURCE = {"resource": MCP, "authorization_servers": [ISSUER]}
SERVER = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "registration_endpoint": f"{ISSUER}/register",
    "response_types_supported": ["code"],
    "code_challenge_methods_supported": ["S256"],
    "token_endpoint_auth_methods_supported": ["none"],
    "authorization_response_iss_parameter_supported": True,
}


def document(value, status=200, media_type="application/json"):
    text = value if isinstance(value, str) else json.dumps(value)
    return Reply("https://x.example/.well-known/x", status, {"content-type": media_type}, text)


def refused(header=None, status=401, **headers):
    challenge = {} if header is None else {"www-authenticate": header}
    return Reply(MCP, status, challenge | headers)


def levels(findings):
    return {finding.level for finding in findings}


GOOD_CHALLENGE = f'Bearer resource_metadata="{MCP}/x", scope="mcp"'


def test_a_valid_challenge_is_accepted():
    assert levels(discovery.challenge(refused(GOOD_CHALLENGE))) == {Level.OK}


@pytest.mark.parametrize(
    ("reply", "level", "words"),
    [
        (refused(), Level.FAULT, "no WWW-Authenticate"),
        (refused('Basic realm="x"'), Level.FAULT, "no WWW-Authenticate"),
        (refused("Bearer"), Level.WARNING, "resource_metadata"),
        (refused(f'Bearer resource_metadata="{MCP}"'), Level.WARNING, "names no scope"),
        (refused('Bearer resource_metadata="http://mcp.example/x", scope="a"'), Level.FAULT, "an https URL"),
        (refused('Bearer resource_metadata="http://localhost/x", scope="a"'), Level.FAULT, "an https URL"),
        (refused(GOOD_CHALLENGE.replace('mcp"', 'mcp offline_access"')), Level.WARNING, "offline_access"),
        (refused(status=403), Level.FAULT, "only 401"),
        (refused(status=500), Level.FAULT, "only 401"),
        (refused(status=307, location=MCP + "/"), Level.FAULT, "redirects"),
        (refused(status=200), Level.WARNING, "without a token"),
    ],
)
def test_a_broken_challenge_is_reported(reply, level, words):
    findings = discovery.challenge(reply)
    assert any(finding.level == level and words in finding.says and finding.spec for finding in findings)


@pytest.mark.parametrize(
    ("header", "parameters"),
    [
        ('Bearer a="1", b=2', {"a": "1", "b": "2"}),
        ('Basic realm="x", Bearer error="invalid_token"', {"error": "invalid_token"}),
        ("bearer", {}),
        ("Negotiate", None),
        ("", None),
    ],
)
def test_challenges_are_read_as_they_are_written(header, parameters):
    assert discovery.challenge_of(refused(header)) == parameters


def test_the_places_of_resource_metadata():
    root = "https://mcp.example/.well-known/oauth-protected-resource"
    assert discovery.metadata_places(MCP) == [f"{root}/mcp", root]
    assert discovery.metadata_places(MCP + "/") == [f"{root}/mcp", root]
    assert discovery.metadata_places("https://mcp.example") == [root]


def test_valid_resource_metadata_is_accepted():
    assert levels(discovery.resource_metadata(document(RESOURCE), MCP)) == {Level.OK}


@pytest.mark.parametrize(
    ("reply", "level", "words"),
    [
        (document(RESOURCE, status=404), Level.FAULT, "404"),
        (document("<html>"), Level.FAULT, "not a JSON object"),
        (document([RESOURCE]), Level.FAULT, "not a JSON object"),
        (document(RESOURCE, media_type="text/html"), Level.WARNING, "text/html"),
        (document(RESOURCE | {"resource": MCP + "/"}), Level.WARNING, "exactly"),
        (document(RESOURCE | {"resource": "http://10.0.0.7:8000/mcp"}), Level.FAULT, "public URL"),
        (document({"resource": MCP}), Level.FAULT, "authorization_servers"),
        (document(RESOURCE | {"authorization_servers": []}), Level.FAULT, "authorization_servers"),
        (document(RESOURCE | {"authorization_servers": ["http://a.example"]}), Level.FAULT, "an https URL"),
        (document(RESOURCE | {"authorization_servers": ["http://[bad"]}), Level.FAULT, "an https URL"),
        (document(RESOURCE | {"authorization_servers": ["http://[::1]"]}), Level.FAULT, "an https URL"),
        (document(RESOURCE | {"bearer_methods_supported": ["query"]}), Level.FAULT, "header"),
        (document(RESOURCE | {"scopes_supported": ["offline_access"]}), Level.WARNING, "offline_access"),
    ],
)
def test_broken_resource_metadata_is_reported(reply, level, words):
    findings = discovery.resource_metadata(reply, MCP)
    assert any(finding.level == level and words in finding.says and finding.spec for finding in findings)


def test_valid_server_metadata_is_accepted():
    assert levels(discovery.server_metadata(document(SERVER), ISSUER)) == {Level.OK}


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"issuer": ISSUER + "/"}, Level.FAULT, "issuer"),
        ({"token_endpoint": None}, Level.FAULT, "token_endpoint"),
        ({"authorization_endpoint": "http://a.example/authorize"}, Level.FAULT, "authorization_endpoint"),
        ({"response_types_supported": ["token"]}, Level.FAULT, "lacks code"),
        ({"code_challenge_methods_supported": ["plain"]}, Level.FAULT, "S256"),
        ({"code_challenge_methods_supported": None}, Level.FAULT, "S256"),
        ({"token_endpoint_auth_methods_supported": ["client_secret_basic"]}, Level.WARNING, "lacks none"),
        ({"token_endpoint_auth_methods_supported": None}, Level.WARNING, "lacks none"),
        ({"registration_endpoint": None}, Level.WARNING, "client id"),
        ({"registration_endpoint": 5}, Level.FAULT, "registration_endpoint"),
        ({"token_endpoint": "http://127.0.0.1:9200/"}, Level.FAULT, "token_endpoint"),
        ({"authorization_response_iss_parameter_supported": False}, Level.WARNING, "iss"),
    ],
)
def test_broken_server_metadata_is_reported(changes, level, words):
    findings = discovery.server_metadata(document(SERVER | changes), ISSUER)
    assert any(finding.level == level and words in finding.says and finding.spec for finding in findings)


@pytest.mark.parametrize(
    "url", ["https://a.example", "http://localhost:1", "http://[::1]/", "http://127.0.0.1"]
)
def test_https_or_this_computer_is_secure(url):
    assert discovery.is_secure(url)


@pytest.mark.parametrize(
    "url",
    ["http://a.example", "ftp://localhost", "https:///x", "https://[", "https://a:99999", "", None, 1],
)
def test_anything_else_is_not(url):
    assert not discovery.is_secure(url)


def test_this_computer_is_secure_for_its_own_clients():
    assert discovery.is_secure("http://localhost:3001", beside="http://127.0.0.1:3232/mcp")
    assert discovery.is_secure("https://auth.example", beside="http://127.0.0.1:3232/mcp")
    assert not discovery.is_secure("http://localhost:3001", beside=MCP)
