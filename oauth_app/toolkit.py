"""What this app needs django-oauth-toolkit to be set to: one line of a project's settings.

    globals().update(oauth_app.toolkit.project_settings("https://shop.example.com"))

It can be imported before the settings exist, and changes nothing by itself.
"""

from __future__ import annotations

from typing import Any

MODELS = {
    "OAUTH2_PROVIDER_APPLICATION_MODEL": "oauth_app.Client",
    "OAUTH2_PROVIDER_GRANT_MODEL": "oauth_app.Grant",
    "OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL": "oauth_app.AccessToken",
    "OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL": "oauth_app.RefreshToken",
    "OAUTH2_PROVIDER_ID_TOKEN_MODEL": "oauth_app.IDToken",
}
"""The models in place of the toolkit's, which it reads from these settings and not from OAUTH2_PROVIDER."""

SETTINGS: dict[str, Any] = {
    "OAUTH2_VALIDATOR_CLASS": "oauth_app.validators.Validator",
    # Knows the authorization code and refresh token grants only: no token without a user.
    "OAUTH2_SERVER_CLASS": "oauthlib.oauth2.WebApplicationServer",
    "SCOPES_BACKEND_CLASS": "oauth_app.scopes.Scopes",
    "PKCE_REQUIRED": True,
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 7 * 24 * 3600,
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,  # oauth_app has its own, which works with kept checksums
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],  # oauth_app.Client says what else, in redirects.py
    "CIMD_ENABLED": True,
    "CIMD_METADATA_FETCHER": "oauth_app.clients.cimd.NormalisingFetcher",
    "CIMD_REGISTRATION_PERMISSION_CLASSES": [
        "oauth_app.clients.cimd.SignedInPermission",
        "oauth_app.clients.cimd.CapacityPermission",
    ],
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
    "APPLICATION_ADMIN_CLASS": "oauth_app.admin.ClientAdmin",
    "GRANT_ADMIN_CLASS": "oauth_app.admin.GrantAdmin",
    "ACCESS_TOKEN_ADMIN_CLASS": "oauth_app.admin.AccessTokenAdmin",
    "REFRESH_TOKEN_ADMIN_CLASS": "oauth_app.admin.RefreshTokenAdmin",
    "ID_TOKEN_ADMIN_CLASS": "oauth_app.admin.IDTokenAdmin",
}


def project_settings(url: str, *, resource_url: str = "", **changes: Any) -> dict[str, Any]:
    """The settings of a project whose authorization server is this app.

    Args:
        url: The public URL of the project, without a path or a trailing slash; https in production. It is the
            issuer of the tokens (RFC 8414 §2), so clients compare it character by character.
        resource_url: The public URL of the MCP endpoint, for which tokens are issued (RFC 8707); by default
            `/mcp` below the URL.
        changes: Settings of django-oauth-toolkit to replace in OAUTH2_PROVIDER, such as `CIMD_ENABLED=False`
            where this server cannot reach the internet. A check reports others: set them after the line.

    Returns:
        AUTH_SERVER_URL, MCP_RESOURCE_URL, MCP_ISSUER, MCP_TOKEN_VERIFIER, OAUTH2_PROVIDER, and the settings
        of the toolkit's five models.
    """
    return {
        "AUTH_SERVER_URL": url,
        "MCP_RESOURCE_URL": resource_url or f"{url}/mcp",
        "MCP_ISSUER": url,
        "MCP_TOKEN_VERIFIER": "oauth_app.verifier.DatabaseTokenVerifier",
        **MODELS,
        "OAUTH2_PROVIDER": {**SETTINGS, "OIDC_ISS_ENDPOINT": url, **changes},
    }
