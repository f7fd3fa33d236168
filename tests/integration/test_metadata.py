"""The documents that lead a client from the MCP server to the authorization server."""

import pytest
from django.test import Client
from mcp.shared.auth import ProtectedResourceMetadata

from tests.oauth_app import flow

SSE_PATHS = ["/.well-known/oauth-protected-resource/sse", "/.well-known/oauth-protected-resource/sse/"]
RESOURCE_PATHS = [
    *(f"/.well-known/oauth-protected-resource{path}" for path in ("", "/", "/mcp", "/mcp/")),
    *SSE_PATHS,
]


@pytest.mark.parametrize("path", RESOURCE_PATHS)
def test_the_resource_names_its_server_and_the_smallest_scope(client, path):
    document = client.get(path).json()

    ProtectedResourceMetadata.model_validate(document)
    assert document["resource"] == (flow.SSE_RESOURCE if path in SSE_PATHS else flow.RESOURCE)
    assert document["authorization_servers"] == [flow.ISSUER]
    assert document["scopes_supported"] == ["mcp"]
    assert document["bearer_methods_supported"] == ["header"]


@pytest.mark.parametrize("path", RESOURCE_PATHS)
def test_another_allowed_host_gets_the_same_document(client, path):
    expected = client.get(path, headers={"host": "localhost:3232"}).content
    assert client.get(path, headers={"host": "127.0.0.1:9999"}).content == expected


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/.well-known/oauth-protected-resource/other",
        "/.well-known/oauth-protected-resource/mcp/tools",
        "/.well-known/oauth-authorization-server/other",
        "/.well-known/anything",
    ],
)
def test_an_unknown_document_is_a_404_in_json(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/json"
    assert client.post(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", RESOURCE_PATHS)
def test_only_the_document_is_fetched(path, method):
    answer = Client(enforce_csrf_checks=True).generic(method, path)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert answer.json() == {"error": "method_not_allowed"}
