import importlib

import pytest
from django.test import Client
from mcp.shared.auth import OAuthMetadata

from oauth_app import urls
from tests.oauth_app import flow

AS_PATHS = [
    f"/.well-known/oauth-authorization-server{path}" for path in ("", "/", "/mcp", "/mcp/", "/sse", "/sse/")
]


@pytest.mark.parametrize("path", AS_PATHS)
def test_the_authorization_server_describes_itself(client, path):
    document = client.get(path).json()

    OAuthMetadata.model_validate(document)
    assert document["issuer"] == flow.ISSUER
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert document["response_types_supported"] == ["code"]
    assert "none" in document["token_endpoint_auth_methods_supported"]
    assert document["client_id_metadata_document_supported"] is True
    assert document["authorization_response_iss_parameter_supported"] is True
    assert "introspection" not in document["scopes_supported"]
    assert None not in document.values()


@pytest.mark.parametrize("path", AS_PATHS)
def test_another_allowed_host_gets_the_same_document(client, path):
    expected = client.get(path, headers={"host": "localhost:3232"}).content
    assert client.get(path, headers={"host": "127.0.0.1:9999"}).content == expected


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", AS_PATHS)
def test_only_the_document_is_fetched(path, method):
    answer = Client(enforce_csrf_checks=True).generic(method, path)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert answer.json() == {"error": "method_not_allowed"}


def test_the_document_is_where_the_paths_of_the_resource_say(settings):
    settings.MCP_RESOURCE_URL = "http://localhost:3232/api/v1.0/mcp"
    try:
        where = importlib.reload(urls).urlpatterns[0].resolve
        for path in ("", "/", "/api/v1.0/mcp", "/api/v1.0/mcp/", "/sse"):
            assert where(f".well-known/oauth-authorization-server{path}"), path
        assert not where(".well-known/oauth-authorization-server/mcp")
    finally:
        settings.MCP_RESOURCE_URL = flow.RESOURCE
        importlib.reload(urls)
