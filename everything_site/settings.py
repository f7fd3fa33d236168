"""Django's settings. Whatever differs between installations comes from the environment: env.py."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from everything_site import conf, env, logs
from everything_site.audit import log as audit_log
from oauth_app import toolkit
from oauth_app.conf import Conf as OAuth

SITE_DIR = Path(__file__).resolve().parent
BASE_DIR = env.state_dir(SITE_DIR.parent)
_IN_WHEEL = SITE_DIR / "templates"
TEMPLATES_DIR = _IN_WHEEL if _IN_WHEEL.is_dir() else SITE_DIR.parent / "templates"
ENV: Any = env.read(BASE_DIR)

# --- The installation ---------------------------------------------------------------------------

DEBUG: bool = ENV.debug
SECRET_KEY: str = ENV.secret_key
SECRET_KEY_FALLBACKS: Sequence[str] = ENV.secret_key_fallbacks
BASE_URI: str = ENV.base_uri
PORT: int = ENV.port
REDIS_URL: str = ENV.redis_url
AUTH_MODE: str = ENV.auth_mode
AUTH_SERVER_URL: str = ENV.auth_server_url
AUTH_SERVER_PORT: int = ENV.auth_server_port
CONFORMANCE_FIXTURES: bool = ENV.conformance_fixtures
TOOL_NAMES: str = ENV.tool_names
TOOL_ALIASES: bool = ENV.tool_aliases
ALLOWED_HOSTS: list[str] = ENV.allowed_hosts
PAGES: dict[str, str] = {  # about this server, for directories and people
    "Documentation": ENV.documentation_url,
    "Privacy": ENV.privacy_url,
    "Terms": ENV.terms_url,
    "Support": ENV.support_url,
}
IS_SEPARATE = AUTH_MODE == conf.SEPARATE
HTTPS = BASE_URI.startswith("https://")

# --- Django -------------------------------------------------------------------------------------

# The authorization server of separate mode has urls.authorization_server: see auth_asgi.py.
ROOT_URLCONF = "everything_site.urls.resource_server" if IS_SEPARATE else "everything_site.urls.integrated"
ASGI_APPLICATION = "everything_site.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "everything_site",  # before daphne and staticfiles: its runserver is the one that runs
    "daphne",
    "channels",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "oauth2_provider",
    "mcp_app",
    "everything_site.demo",
    "everything_site.workbench",
    "oauth_app",
    "fakeupstream",
]

MIDDLEWARE = [
    "everything_site.middleware.database_outage.DatabaseMiddleware",  # first: the others may use the database
    "everything_site.middleware.hosts.HostMiddleware",
    "everything_site.middleware.wrong_endpoint.WrongEndpointMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "everything_site.middleware.opener_policy.OpenerPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "everything_site.middleware.private_pages.PrivatePagesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "everything_site.middleware.debug_page.NotFoundMiddleware",  # last: it is about what views answer
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [TEMPLATES_DIR],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "everything_site.pages.navigation.navigation",
            ],
        },
    },
]

DATABASES = {"default": {"CONN_MAX_AGE": 0, **ENV.database}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["ENGINE"] = "everything_site.sqlite3"  # Django's, with a private file
    DATABASES["default"]["OPTIONS"] = {
        # Readers do not wait for the writer, and writers queue instead of failing.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
else:
    DATABASES["default"]["ENGINE"] = "everything_site.postgresql"  # Django's, with a limit on connections
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 3,  # seconds until connecting fails
        "tcp_user_timeout": 10_000,  # milliseconds until a silent connection fails
        **DATABASES["default"].get("OPTIONS", {}),
    }
DATABASE_CONNECTIONS: int = ENV.database_connections

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# The longest body that anything but the MCP endpoints reads (`Handler`); a parser holds up other requests.
DATA_UPLOAD_MAX_MEMORY_SIZE = 128 * 1024

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # in production, too: no collectstatic is needed
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {  # for platforms that always run collectstatic
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage",
        "OPTIONS": {"location": BASE_DIR / "staticfiles"},
    },
}
WHITENOISE_AUTOREFRESH = DEBUG

# --- Security of the pages ----------------------------------------------------------------------

SECURE_SSL_REDIRECT = False  # left to the proxy; the MCP endpoint never redirects
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # requires that redirect
    "security.W009",  # requires 50 characters: env.py rejects keys of less than 32
    "security.W004",  # these three require HSTS, subdomains, preload: operators decide with HSTS_…
    "security.W005",
    "security.W021",
    "mcp_app.E008",  # oauth_app.E002 says the same
    "mcp_app.W006",  # everything_site.W003 says the same
    "mcp_app.W003",  # browsers.py sends browsers to the pages at the paths of the endpoints
    # In separate mode, the issuer may be of another vendor. If not, see env.auth_server_fault.
    # And the MCP server has no pages of an authorization server.
    *(["oauth_app.E001", "oauth_app.E011"] if IS_SEPARATE else []),
]
SECURE_HSTS_SECONDS = ENV.hsts_seconds if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS and ENV.hsts_subdomains
SECURE_HSTS_PRELOAD = HTTPS and ENV.hsts_preload
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = None  # set by OpenerPolicyMiddleware, where possible
X_FRAME_OPTIONS = "DENY"
# Our own names: browsers send the cookies of all ports of a host, and others have a `sessionid`, too.
_COOKIES = "__Host-everything" if HTTPS else f"everything-{urlsplit(AUTH_SERVER_URL).port or 80}"
SESSION_ENGINE = "everything_site.accounts.browser_sessions"  # Django's, but the database has no cookie in it
SESSION_COOKIE_NAME = f"{_COOKIES}-session"
CSRF_COOKIE_NAME = f"{_COOKIES}-csrf"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # so there is no cookie `messages`
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 24 * 3600
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
# Behind a proxy that drops the port from Host, the pages' own origin would look foreign.
CSRF_TRUSTED_ORIGINS = ["{0.scheme}://{0.netloc}".format(urlsplit(BASE_URI))]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],  # the admin's own scripts; no inline script anywhere
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        # No form-action: Chromium applies it to the redirect that follows the consent form, too.
    },
}

DEFAULT_EXCEPTION_REPORTER = "everything_site.middleware.debug_page.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "everything_site.middleware.debug_page.ReporterFilter"

# --- MCP and OAuth: mcp_app/conf.py and oauth_app/conf.py declare the settings and defaults ---

globals().update(
    toolkit.project_settings(
        AUTH_SERVER_URL,
        APPLICATION_ADMIN_CLASS="everything_site.admin.SiteClientAdmin",
        CIMD_ENABLED=ENV.client_id_metadata_documents,
        ACCESS_TOKEN_EXPIRE_SECONDS=ENV.of(OAuth.access_seconds),
        REFRESH_TOKEN_EXPIRE_SECONDS=ENV.of(OAuth.refresh_seconds),
    )
)
globals().update(ENV.settings)  # in separate mode, those of the MCP server replace some
MCP_RESOURCE_URL: str = ENV.settings["MCP_RESOURCE_URL"]
MCP_SSE_RESOURCE_URL: str = ENV.settings["MCP_SSE_RESOURCE_URL"]

LOGIN_URL = "fakeupstream:authorize"
LOGIN_REDIRECT_URL = "/"

# --- Logs -----------------------------------------------------------------------------------------

LOGGING = logs.configuration(as_json=not DEBUG)
AUDIT_LOG: str = ENV.audit_log
LOGGING["handlers"]["audit"], LOGGING["loggers"]["audit"] = audit_log.configuration(AUDIT_LOG)
