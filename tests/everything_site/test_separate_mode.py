"""The variables of separate mode: the resulting settings, and invalid combinations."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from everything_site import env
from mcp_app.conf import Conf as Mcp

PRODUCTION = {
    "AUTH_MODE": "separate",
    "BASE_URI": "https://mcp.example.com",
    "AUTH_SERVER_URL": "https://auth.example.com",
    "SECRET_KEY": "x" * 50,
    "DEBUG": "false",
}
CLIENT = {"INTROSPECTION_CLIENT_ID": "mcp-server", "INTROSPECTION_CLIENT_SECRET": "y" * 40}
JWT = {"TOKEN_VERIFICATION": "jwt", "JWKS_URL": "https://auth.example.com/jwks"}


@pytest.fixture
def read(tmp_path):
    """The environment that results from these variables and no others."""

    def read(**variables):
        return env.read(tmp_path, variables)

    return read


def test_development_needs_only_the_mode(read):
    found = read(AUTH_MODE="separate")
    assert found.auth_server_url == "http://localhost:3001"
    assert found.auth_server_port == 3001
    assert found.token_verification == "introspection"
    assert found.of(Mcp.issuer) == "http://localhost:3001"
    assert found.of(Mcp.introspection_url) == "http://localhost:3001/introspect"
    assert found.of(Mcp.introspection_client_id) == "mcp-server"
    secret = found.of(Mcp.introspection_client_secret)
    assert len(secret) == 64
    assert read(AUTH_MODE="separate").of(Mcp.introspection_client_secret) == secret
    assert env.auth_server_fault(found) is None


def test_integrated_mode_verifies_its_own_tokens(read):
    found = read()
    assert found.of(Mcp.token_verifier) == "oauth_app.verifier.DatabaseTokenVerifier"
    assert "AUTH_MODE=integrated" in (env.auth_server_fault(found) or "")


def test_production_serves_both_hosts(read):
    found = read(**PRODUCTION, **CLIENT)
    assert found.allowed_hosts == ["mcp.example.com", "auth.example.com"]
    assert found.of(Mcp.introspection_client_secret) == "y" * 40


def test_tokens_of_another_vendor_are_verified_by_keys(read):
    issuer = {
        "AUTH_SERVER_ISSUER": "https://auth.example.com/",
        "TOKEN_AUDIENCE": "api",
        "JWT_TYPES": "at+jwt,JWT",
    }
    found = read(**PRODUCTION, **JWT, **issuer)
    assert found.token_verification == "jwt"
    assert found.of(Mcp.issuer) == "https://auth.example.com/"
    assert found.of(Mcp.token_audience) == "api"
    assert found.of(Mcp.jwt_types) == ("at+jwt", "JWT")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"AUTH_MODE": "integrated", "JWKS_URL": "https://a.example/jwks"},
            "JWKS_URL is for AUTH_MODE=separate",
        ),
        ({"AUTH_MODE": "integrated", "INTROSPECTION_CLIENT_SECRET": "x"}, "is for AUTH_MODE=separate"),
        ({"AUTH_MODE": "separate", "AUTH_SERVER_URL": "http://localhost:3232"}, "names this server itself"),
        (PRODUCTION, "INTROSPECTION_CLIENT_ID and INTROSPECTION_CLIENT_SECRET must be set"),
        (PRODUCTION | CLIENT | {"AUTH_SERVER_URL": "http://localhost:3001"}, "AUTH_SERVER_URL must be https"),
        (
            PRODUCTION | CLIENT | {"INTROSPECTION_URL": "http://a.example/i"},
            "INTROSPECTION_URL must be https",
        ),
        (PRODUCTION | CLIENT | {"INTROSPECTION_URL": "no"}, "INTROSPECTION_URL must be an http or https URL"),
        (PRODUCTION | CLIENT | {"JWKS_URL": "https://a.example/jwks"}, "JWKS_URL has no effect"),
        (PRODUCTION | {"TOKEN_VERIFICATION": "jwt"}, "needs JWKS_URL"),
        (PRODUCTION | JWT | CLIENT, "has no effect with TOKEN_VERIFICATION=jwt"),
        (PRODUCTION | JWT | {"TOKEN_VERIFICATION": "guess"}, "must be introspection or jwt"),
        (PRODUCTION | JWT | {"AUTH_SERVER_ISSUER": "https://b.example"}, "only by a trailing slash"),
    ],
)
def test_invalid_combinations_are_refused_with_a_message(read, variables, sentence):
    with pytest.raises(ImproperlyConfigured, match=sentence):
        read(**variables)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"TOKEN_VERIFICATION": "jwt", "JWKS_URL": "http://localhost:3001/jwks"}, "does not issue JWTs"),
        ({"AUTH_SERVER_ISSUER": "http://localhost:3001/"}, "other vendors"),
    ],
)
def test_this_authorization_server_is_not_every_one(read, changes, sentence):
    found = read(AUTH_MODE="separate", **changes)
    assert sentence in (env.auth_server_fault(found) or "")


def test_it_needs_an_origin_of_its_own(read):
    found = read(AUTH_MODE="separate", AUTH_SERVER_URL="http://localhost:3001/auth")
    assert "no path" in (env.auth_server_fault(found) or "")


def test_it_is_never_served_in_plain_http_to_others(read):
    found = read(AUTH_MODE="separate", AUTH_SERVER_URL="http://keycloak.internal:8080")
    assert "must be https" in (env.auth_server_fault(found) or "")


@pytest.mark.parametrize("command", ["register_resource_server", "runauthserver"])
def test_integrated_mode_needs_none(db, command):
    with pytest.raises(CommandError, match="integrated"):
        call_command(command)
