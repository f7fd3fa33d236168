"""What a project decides is left as it is: who must sign in, where people go, how pages look."""

import pytest
from django.contrib.staticfiles import finders
from django.test import Client as Http

from oauth_app import toolkit
from tests.oauth_app import flow


@pytest.fixture
def requires_login(settings):
    """A project that lets nobody see a page without signing in."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]


def test_programs_need_not_sign_in_where_a_project_requires_it_of_people(db, requires_login):
    connected = flow.connect("alice")
    stranger = Http()
    assert stranger.get("/.well-known/oauth-authorization-server").status_code == 200
    renewed = flow.refresh(stranger, connected.client_id, connected.refresh)
    assert renewed.status_code == 200
    body = {"client_id": connected.client_id, "token": connected.refresh}
    assert stranger.post("/revoke", body).status_code == 200
    assert stranger.post("/introspect", {"token": connected.access}).status_code == 401
    assert stranger.get("/register/unknown").status_code == 401


def test_people_are_sent_to_sign_in_where_the_page_says_whether_or_not_the_project_requires_it(
    client, db, requires_login
):
    assert flow.asks_to_sign_in(client.get("/connections"))


@pytest.mark.parametrize(
    ("url", "target"), [(None, "/"), ("/bye", "/bye"), ("oauth_app:connections", "/connections")]
)
def test_who_signs_out_goes_where_the_project_says(alice, settings, url, target):
    settings.LOGOUT_REDIRECT_URL = url
    assert alice.http.post("/connections", {"decision": "sign-out"})["Location"] == target


def test_times_are_those_of_the_project(alice, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    text = alice.http.get("/connections").content.decode()
    assert "JST" in text
    assert "UTC" not in text


@pytest.mark.parametrize(
    "name", ["oauth_app/theme.css", "oauth_app/pages.css", "oauth_app/dialogs.js", "oauth_app/admin.css"]
)
def test_the_stylesheets_are_in_the_app(name):
    assert finders.find(name)


def test_the_settings_of_a_project_may_change_what_they_are_given():
    first = toolkit.project_settings("https://a.example", CIMD_ENABLED=False)
    second = toolkit.project_settings("https://b.example", resource_url="https://c.example/mcp")
    first["OAUTH2_PROVIDER"]["PKCE_REQUIRED"] = False
    assert second["OAUTH2_PROVIDER"]["PKCE_REQUIRED"] is second["OAUTH2_PROVIDER"]["CIMD_ENABLED"] is True
    assert first["MCP_RESOURCE_URL"] == "https://a.example/mcp"
    assert second["MCP_RESOURCE_URL"] == "https://c.example/mcp"
    assert first["OAUTH2_PROVIDER"]["OIDC_ISS_ENDPOINT"] == first["MCP_ISSUER"] == "https://a.example"
