"""The metadata of a server and of its separate authorization server."""

import importlib

import httpx2
import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from mcp_app import urls
from mcp_app.auth import authorization_server as server
from mcp_app.auth import metadata

ISSUER = "https://auth.example"
RESOURCE_URLS = ("http://localhost:3232/mcp", "http://localhost:3232/sse")
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
}

pytestmark = pytest.mark.urls("tests.alone.mcp_urls")


@pytest.fixture(autouse=True)
def separate(settings):
    settings.MCP_ISSUER = ISSUER
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def serve(monkeypatch):
    """Set the other server's responses by URL; all other URLs are not found."""

    def serve(documents):
        asked = []

        def answer(request):
            asked.append(str(request.url))
            document = documents.get(str(request.url))
            return httpx2.Response(404 if document is None else 200, json=document)

        initialize = server.AuthorizationServer.__init__
        monkeypatch.setattr(
            server.AuthorizationServer,
            "__init__",
            lambda self: initialize(self, httpx2.MockTransport(answer)),
        )
        return asked

    return serve


@pytest.mark.parametrize(
    ("path", "resource"), [("", "/mcp"), ("/", "/mcp"), ("/mcp", "/mcp"), ("/sse", "/sse"), ("/sse/", "/sse")]
)
def test_the_resource_names_the_other_server(client, path, resource):
    document = client.get(f"/.well-known/oauth-protected-resource{path}").json()
    assert document["resource"] == f"http://localhost:3232{resource}"
    assert document["authorization_servers"] == [ISSUER]


def test_the_resource_has_a_name_if_it_is_set(client, settings):
    settings.MCP_RESOURCE_NAME = "Shop"
    path = "/.well-known/oauth-protected-resource"
    assert client.get(path).json()["resource_name"] == "Shop"
    settings.MCP_RESOURCE_NAME = ""
    assert "resource_name" not in client.get(path).json()


def test_a_project_whose_pages_are_only_for_users_tells_strangers_where_to_sign_in(client, serve, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    settings.LOGIN_URL = "/login/"
    serve({f"{ISSUER}/.well-known/oauth-authorization-server": DOCUMENT})
    assert client.get("/admin/").status_code == 302
    for path in (
        "oauth-protected-resource/mcp",
        "oauth-protected-resource/sse",
        "oauth-authorization-server",
    ):
        assert client.get(f"/.well-known/{path}").status_code == 200


@pytest.mark.django_db
def test_the_cache_may_be_in_the_database(client, serve, settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}
    }
    call_command("createcachetable")
    asked = serve({f"{ISSUER}/.well-known/oauth-authorization-server": DOCUMENT})
    for _ in range(2):
        assert client.get("/.well-known/oauth-authorization-server").json() == DOCUMENT
    assert len(asked) == 1


def test_clients_of_2025_03_26_find_the_other_servers_metadata(client, serve):
    asked = serve({f"{ISSUER}/.well-known/oauth-authorization-server": DOCUMENT})
    for _ in range(2):
        answer = client.get("/.well-known/oauth-authorization-server")
        assert answer.status_code == 200
        assert answer.json() == DOCUMENT
    assert len(asked) == 1


def test_an_openid_provider_with_a_path_is_found(client, serve, settings):
    settings.MCP_ISSUER = "https://kc.example/realms/mcp"
    document = DOCUMENT | {"issuer": settings.MCP_ISSUER}
    serve({"https://kc.example/realms/mcp/.well-known/openid-configuration": document})
    assert client.get("/.well-known/oauth-authorization-server").json() == document


@pytest.mark.parametrize(
    "documents",
    [{}, {f"{ISSUER}/.well-known/oauth-authorization-server": DOCUMENT | {"issuer": "https://evil.example"}}],
    ids=["away", "another issuer"],
)
def test_without_it_clients_are_told_to_retry(client, serve, documents):
    serve(documents)
    answer = client.get("/.well-known/oauth-authorization-server")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"


def test_while_it_is_unavailable_it_is_not_queried_for_each_stranger(client, serve):
    asked = serve({})
    client.get("/.well-known/oauth-authorization-server")
    first = len(asked)
    for _ in range(3):
        assert client.get("/.well-known/oauth-authorization-server").status_code == 503
    assert len(asked) == first


def test_the_places_of_metadata():
    assert metadata.metadata_urls("https://a.example/") == [
        "https://a.example/.well-known/oauth-authorization-server",
        "https://a.example/.well-known/openid-configuration",
    ]


def test_the_other_servers_document_is_read_and_nothing_else():
    answer = Client(enforce_csrf_checks=True).post("/.well-known/oauth-authorization-server")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert answer.json() == {"error": "method_not_allowed"}


def test_the_documents_are_where_the_paths_of_the_resource_say(settings):
    settings.MCP_RESOURCE_URL = "http://localhost:3232/api/v1.0/mcp"
    settings.MCP_SSE_RESOURCE_URL = "http://localhost:3232/api/v1.0/sse"
    patterns = importlib.reload(urls).urlpatterns
    try:
        where, sse = [pattern.resolve for pattern in patterns]
        for path in ("", "/", "/api/v1.0/mcp", "/api/v1.0/mcp/"):
            assert where(f".well-known/oauth-protected-resource{path}"), path
        assert sse(".well-known/oauth-protected-resource/api/v1.0/sse")
        assert not where(".well-known/oauth-protected-resource/mcp")
        assert not where(".well-known/oauth-protected-resource/api/v1-0/mcp")
        assert urls.other_authorization_server.resolve(".well-known/oauth-authorization-server/api/v1.0/mcp")
    finally:
        settings.MCP_RESOURCE_URL, settings.MCP_SSE_RESOURCE_URL = RESOURCE_URLS
        importlib.reload(urls)


def test_without_http_sse_there_is_one_resource(settings):
    settings.MCP_HTTP_SSE = False
    try:
        [where] = [pattern.resolve for pattern in importlib.reload(urls).urlpatterns]
        assert where(".well-known/oauth-protected-resource/mcp")
    finally:
        settings.MCP_HTTP_SSE = True
        importlib.reload(urls)


@pytest.mark.parametrize(
    "path",
    ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server"],
)
def test_pages_of_any_origin_can_read_the_documents(client, serve, path):
    serve({f"{ISSUER}/.well-known/oauth-authorization-server": DOCUMENT})
    preflight = {
        "Origin": "https://any.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "mcp-protocol-version",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = client.options(path, headers=preflight)
    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Headers"] == "mcp-protocol-version"
    assert answer["Access-Control-Allow-Private-Network"] == "true"
    for each in (answer, client.get(path), client.post(path)):
        assert each["Access-Control-Allow-Origin"] == "*"


def test_a_page_can_read_that_the_other_server_is_unavailable(client, serve):
    serve({})
    answer = client.get("/.well-known/oauth-authorization-server")
    assert answer.status_code == 503
    assert answer["Access-Control-Allow-Origin"] == "*"
