"""A project with the MCP endpoints, and no authorization server of its own.

pytest --ds tests.alone.mcp tests/mcp_app
"""

import sys

from tests.alone.common import *  # noqa: F403

for name in ("oauth_app", "fakeupstream"):
    sys.modules[name] = None  # type: ignore[assignment]  # importing it is an error

ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ROOT_URLCONF = "tests.alone.mcp_urls"
ASGI_APPLICATION = "tests.alone.asgi.application"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "mcp_app",
    "everything_site.demo",  # the server that the tests use
]
STATIC_URL = "/static/"

MCP_SERVER = "everything_site.demo.server.build"
CONFORMANCE_FIXTURES = False
TOOL_NAMES = "reference"
TOOL_ALIASES = True
PAGES = {"Documentation": "http://localhost:3232/documentation"}
MCP_RESOURCE_URL = "http://localhost:3232/mcp"
MCP_SSE_RESOURCE_URL = "http://localhost:3232/sse"
MCP_ISSUER = "https://auth.example"
MCP_IMPLIED_SCOPES = {"mcp:admin": "mcp"}
MCP_TOKEN_VERIFIER = "tests.support.tokens.NamedTokens"
