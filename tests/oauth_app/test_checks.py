import pytest
from django.conf import settings
from django.core.checks import run_checks

from oauth_app import checks


def ids(function):
    return [message.id for message in function(None)]


def test_the_project_passes():
    assert [message for message in run_checks() if (message.id or "").startswith("oauth")] == []


@pytest.mark.parametrize(
    "url",
    ["http://mcp.example.com", "https://mcp.example.com/", "https://mcp.example.com?x=1", "ftp://localhost"],
)
def test_a_url_that_clients_cannot_trust(settings, url):
    settings.AUTH_SERVER_URL = url
    settings.MCP_RESOURCE_URL = url + "/mcp/" if url.startswith("http:") else url
    assert "oauth_app.E001" in ids(checks.check_urls) or url == "ftp://localhost"


@pytest.mark.parametrize("scheme", ["http", "javascript", "data", "Cursor", "vscode://"])
def test_a_dangerous_scheme(settings, scheme):
    settings.OAUTH_CUSTOM_SCHEMES = ["cursor", scheme]
    assert ids(checks.check_values) == ["oauth_app.E003"]


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("OAUTH_CODE_SECONDS", 601),
        ("OAUTH_CODE_SECONDS", 0),
        ("OAUTH_ACCESS_SECONDS", 0),
        ("OAUTH_REFRESH_SECONDS", 8 * 24 * 3600),
        ("OAUTH_REFRESH_SECONDS", 60),
        ("OAUTH_REFRESH_GRACE_SECONDS", 3600),
        ("OAUTH_CLIENT_SECONDS", 3600),
    ],
)
def test_an_invalid_lifetime(settings, name, seconds):
    setattr(settings, name, seconds)
    assert set(ids(checks.check_values)) == {"oauth_app.E004"}


@pytest.mark.parametrize("path", ["nowhere.begin", "nodots", "", "oauth_app.conf.WEEK"])
def test_an_invalid_sign_in_function(settings, path):
    settings.OAUTH_SIGN_IN = path
    assert ids(checks.check_sign_in) == ["oauth_app.E007"]


@pytest.mark.parametrize(
    "change",
    [
        {"COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": False},
        {"COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": False},
        {"PKCE_REQUIRED": False},
        {"OIDC_ISS_ENDPOINT": "https://other.example"},
        {"SCOPES": {"mcp": "", "introspection": ""}},
        {"ACCESS_TOKEN_EXPIRE_SECONDS": 1},
    ],
)
def test_settings_of_the_toolkit_that_disable_a_guarantee(settings, change):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | change
    assert ids(checks.check_toolkit) == ["oauth_app.E005"]


def test_production_settings_raise_no_error_of_the_toolkit():
    found = [
        m for m in run_checks(include_deployment_checks=True) if (m.id or "").startswith("oauth2_provider")
    ]
    assert found == []
    assert settings.OAUTH2_PROVIDER["PKCE_REQUIRED"] is True
