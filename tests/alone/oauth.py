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

globals().update(toolkit.project_settings("http://localhost:3232"))
MCP_SSE_RESOURCE_URL = "http://localhost:3232/sse"
OAUTH_SCOPES = {"mcp:admin": "Use the tools that inspect the server itself, such as its versions"}
OAUTH_FURTHER_SCOPES = ["mcp:admin"]
OAUTH_RATE_LIMITS: dict[str, str] = {}
