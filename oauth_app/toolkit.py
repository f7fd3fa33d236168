"""What this app needs django-oauth-toolkit to be set to.

A project's settings build on it, and `oauth_app.E005` complains if something is undone:

    OAUTH2_PROVIDER = {
        **toolkit.SETTINGS,
        "OIDC_ISS_ENDPOINT": AUTH_SERVER_URL,
    }

The models cannot be set there: see `OAUTH2_PROVIDER_APPLICATION_MODEL` and the four after it in
`everything_site/settings.py`.
"""

from __future__ import annotations

from typing import Any

from oauth_app.scopes import PROTOCOL_SCOPE, SCOPES

SETTINGS: dict[str, Any] = {
    "OAUTH2_VALIDATOR_CLASS": "oauth_app.validators.Validator",
    # Knows the authorization code and refresh token grants only: no token without a user.
    "OAUTH2_SERVER_CLASS": "oauthlib.oauth2.WebApplicationServer",
    "SCOPES": SCOPES,
    "DEFAULT_SCOPES": [PROTOCOL_SCOPE],
    "PKCE_REQUIRED": True,
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 7 * 24 * 3600,
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,  # oauth_app has its own, which works with kept checksums
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],  # oauth_app.Client says what else, in redirects.py
    "CIMD_ENABLED": True,
    "CIMD_METADATA_FETCHER": "oauth_app.cimd.NormalisingFetcher",
    "CIMD_REGISTRATION_PERMISSION_CLASSES": [
        "oauth_app.cimd.SignedInPermission",
        "oauth_app.cimd.CapacityPermission",
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
