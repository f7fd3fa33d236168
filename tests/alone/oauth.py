"""A project with the authorization server and nothing else of ours.

pytest --ds tests.alone.oauth tests/oauth_app
"""

import sys

from oauth_app import toolkit
from tests.support.run import REDIS_URL, SQLITE_FILE

for name in ("mcp_app", "fakeupstream"):
    sys.modules[name] = None  # type: ignore[assignment]  # importing it is an error

SECRET_KEY = "only-for-tests-" + "x" * 40
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "tests.alone.oauth_urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
REDIS_URL = REDIS_URL
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
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": SQLITE_FILE,
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
        "TEST": {"NAME": SQLITE_FILE},
    }
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

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
