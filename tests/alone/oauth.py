"""A project with the authorization server and nothing else of ours.

pytest --ds tests.alone.oauth tests/oauth_app
"""

import sys

from oauth_app import toolkit
from tests.alone.common import *  # noqa: F403
from tests.alone.common import MIDDLEWARE

for name in ("mcp_app", "fakeupstream"):
    sys.modules[name] = None  # type: ignore[assignment]  # importing it is an error

ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "tests.alone.oauth_urls"
LOGIN_URL = "/admin/login/"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "oauth2_provider",
    "oauth_app",
]
MIDDLEWARE = [*MIDDLEWARE, "django.middleware.clickjacking.XFrameOptionsMiddleware"]

AUTH_SERVER_URL = "http://localhost:3232"
MCP_RESOURCE_URL = f"{AUTH_SERVER_URL}/mcp"
MCP_SSE_RESOURCE_URL = f"{AUTH_SERVER_URL}/sse"
OAUTH_RATE_LIMITS: dict[str, str] = {}
OAUTH2_PROVIDER_APPLICATION_MODEL = "oauth_app.Client"
OAUTH2_PROVIDER_GRANT_MODEL = "oauth_app.Grant"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "oauth_app.AccessToken"
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "oauth_app.RefreshToken"
OAUTH2_PROVIDER_ID_TOKEN_MODEL = "oauth_app.IDToken"
OAUTH2_PROVIDER = {**toolkit.SETTINGS, "OIDC_ISS_ENDPOINT": AUTH_SERVER_URL}
