"""The settings of tokens: who issues and verifies them, their scopes, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from mcp_app.app_settings import AppSettings, Setting
from mcp_app.validators import is_scope


class TokenConf(AppSettings):
    """A part of the settings of this app; see `conf`."""

    prefix = "MCP_"

    token_verifier = Setting(
        "",
        "dotted path of the `mcp.server.auth.provider.TokenVerifier` that verifies tokens",
        variable="TOKEN_VERIFICATION",
        follows="derived from `AUTH_MODE` and `TOKEN_VERIFICATION`",
        must_be=("the dotted path of a class", bool),
        example="shop.tokens.Verifier",
    )
    issuer = Setting(
        "",
        "the authorization server that clients are sent to (RFC 9728)",
        variable="AUTH_SERVER_ISSUER",
        follows="`AUTH_SERVER_URL`",
        must_be=("the URL of the authorization server", bool),
        example="https://auth.example.com",
    )
    token_audience = Setting(
        "",
        "the audience of another server's tokens, if it is neither of this server's two URLs",
        variable="TOKEN_AUDIENCE",
        follows="`BASE_URI/mcp` or `BASE_URI/sse`",
    )
    introspection_url = Setting(
        "",
        "the introspection endpoint of the other server (RFC 7662)",
        variable="INTROSPECTION_URL",
        follows="`AUTH_SERVER_URL/introspect`",
    )
    introspection_client_id = Setting(
        "",
        "the client id to use there; required when `DEBUG` is off",
        variable="INTROSPECTION_CLIENT_ID",
        follows="`mcp-server` in development",
    )
    introspection_client_secret = Setting(
        "",
        "the client secret to use there; required when `DEBUG` is off",
        variable="INTROSPECTION_CLIENT_SECRET",
        follows="derived from `SECRET_KEY` in development",
        secret=True,
    )
    jwks_url = Setting(
        "", "the URL of the keys for JWT access tokens; required for `jwt`", variable="JWKS_URL"
    )
    # RFC 9068 has only this one; some servers use plain `JWT`.
    jwt_types = Setting[Sequence[str]](
        ("at+jwt",), "the accepted values of a JWT's `typ`", variable="JWT_TYPES"
    )
    person_to_user = Setting(
        "",
        "dotted path of a function that takes a `mcp_app.access.Person` and returns the user of this "
        "project, or None; not needed if the tokens are this project's own, whose subjects are its users",
    )
    user_to_person = Setting(
        "",
        "dotted path of the reverse: it takes a user and returns the `Person`, or None",
    )
    auth_server_timeout_seconds = Setting(
        5.0, "how long to wait for another authorization server before answering 503", minimum=0.1
    )
    required_scopes = Setting[Sequence[str]](
        ("mcp",), "scopes that every request needs", must_be=("a list of scopes", is_scope)
    )
    implied_scopes = Setting[Mapping[str, str]](
        {},
        "scopes that include others, each with these, separated by spaces",
        follows="`mcp:admin=mcp`",
        must_be=(
            'scopes with those that they include, such as {"orders:write": "orders:read mcp"} '
            "(as an environment variable orders:write=orders:read mcp)",
            bool,
        ),
    )

    @cached_property
    def introspection_credentials(self) -> tuple[str, str]:
        """The client id and secret for introspection."""
        return self.introspection_client_id, self.introspection_client_secret
