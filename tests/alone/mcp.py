"""A project with the MCP endpoints, and no authorization server of its own.

pytest --ds tests.alone.mcp tests/mcp_app
"""

import sys

from tests.support.run import REDIS_URL, SQLITE_FILE

for name in ("oauth_app", "fakeupstream"):
    sys.modules[name] = None  # type: ignore[assignment]  # importing it is an error

SECRET_KEY = "only-for-tests-" + "x" * 40
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ROOT_URLCONF = "tests.alone.mcp_urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
REDIS_URL = REDIS_URL

INSTALLED_APPS = [
    "channels",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "mcp_app",
    "everything_site.demo",  # the server that the tests use
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
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
STATIC_URL = "/static/"
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
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "mcp"},
    },
}

MCP_SERVER = "everything_site.demo.server.build"
CONFORMANCE_FIXTURES = False
MCP_RESOURCE_URL = "http://localhost:3232/mcp"
MCP_SSE_RESOURCE_URL = "http://localhost:3232/sse"
MCP_ISSUER = "https://auth.example"
MCP_TOKEN_VERIFIER = "tests.support.tokens.NamedTokens"
