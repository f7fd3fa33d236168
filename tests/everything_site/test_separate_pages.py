"""The pages of the MCP server in separate mode: the others are on the authorization server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from everything_site import env

pytestmark = pytest.mark.urls("everything_site.urls.resource_server")

OTHER_MAKER = {
    "TOKEN_VERIFICATION": "jwt",
    "JWKS_URL": "https://auth.example.com/jwks",
    "AUTH_SERVER_URL": "https://auth.example.com/tenant",
}


@pytest.fixture
def separate(settings: Any, tmp_path: Path) -> Any:
    """Runs this process with these variables of separate mode."""

    def separate(**variables: str) -> None:
        settings.ENV = env.read(tmp_path, {"AUTH_MODE": "separate", **variables})
        settings.AUTH_SERVER_URL = settings.ENV.auth_server_url
        settings.IS_SEPARATE = True

    return separate


@pytest.mark.parametrize(
    "path", ["/connections", "/admin", "/admin/", "/admin/auth/user/?q=alice", "/admin//evil.example/"]
)
def test_they_are_redirected_to_this_projects_authorization_server(
    client: Client, separate: Any, path: str
) -> None:
    separate()
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer["Location"] == f"http://localhost:3001{path}"


@pytest.mark.parametrize("path", ["/connections", "/admin/", "/admin/auth/user/"])
def test_another_vendors_server_has_no_such_pages(client: Client, separate: Any, path: str) -> None:
    separate(**OTHER_MAKER)
    assert client.get(path)["Location"] == "https://auth.example.com/tenant/"


@pytest.mark.parametrize("path", ["/connection", "/administration", "/authorize"])
def test_other_pages_are_not_found_as_before(client: Client, separate: Any, path: str) -> None:
    separate()
    assert client.get(path).status_code == 404


def test_forms_are_not_sent_on(client: Client, separate: Any) -> None:
    separate()
    assert client.post("/connections").status_code == 405


@pytest.mark.parametrize(
    "path",
    ["/authorize", "/token", "/register", "/revoke", "/introspect", "/fakeupstreamauth/authorize"],
)
def test_it_serves_no_oauth_endpoint(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404


def test_unknown_documents_are_a_404_in_json(client: Client) -> None:
    answer = client.get("/.well-known/openid-configuration")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/json"


def test_the_landing_page_leads_to_the_other_server(client: Client, separate: Any) -> None:
    separate()
    text = client.get("/").content.decode()
    assert "http://localhost:3001" in text
    assert "/admin/" not in text
