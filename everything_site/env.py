"""The environment: every variable the project reads, typed, and refused where it makes no sense."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from redis.connection import parse_url

from everything_site import valkey
from oauth_app.redirects import scheme_fault

INTEGRATED = "integrated"
SEPARATE = "separate"
INTROSPECTION = "introspection"
JWT = "jwt"

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})
_DATABASES = frozenset({"django.db.backends.postgresql", "django.db.backends.sqlite3"})
_HOST = re.compile(r"\*|\.?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")
_MIN_SECRET_KEY_LENGTH = 32
_SEPARATE_ONLY = (
    "AUTH_SERVER_ISSUER",
    "TOKEN_VERIFICATION",
    "TOKEN_AUDIENCE",
    "INTROSPECTION_URL",
    "INTROSPECTION_CLIENT_ID",
    "INTROSPECTION_CLIENT_SECRET",
    "JWKS_URL",
    "JWT_TYPES",
)


@dataclass(frozen=True)
class TokenVerification:
    """How the MCP server of separate mode checks the tokens of the other server."""

    kind: str
    issuer: str
    audience: str | None
    introspection_url: str
    client_id: str
    client_secret: str
    jwks_url: str
    jwt_types: list[str]


@dataclass(frozen=True)
class Environment:
    """What the environment says, after defaults; `docs/configuration.md` explains each variable."""

    port: int
    base_uri: str
    redis_url: str
    database: dict[str, Any]
    auth_mode: str
    auth_server_url: str
    auth_server_port: int
    token_verification: TokenVerification | None
    rate_limits: bool
    trusted_proxies: int
    redirect_schemes: list[str]
    client_id_metadata_documents: bool
    secret_key: str
    secret_key_fallbacks: list[str]
    debug: bool
    allowed_hosts: list[str]
    allowed_origins: list[str]
    conformance_fixtures: bool


def read(base_dir: Path) -> Environment:
    """The environment of this process, completed by `.env` (or the file that ENV_FILE names).

    A variable that is set in the process wins over the file; a secret may come from the file that
    `NAME_FILE` names.

    Raises:
        ImproperlyConfigured: A value makes no sense; the message names the variable.
    """
    env = environ.FileAwareEnv()
    env_file = base_dir / env.str("ENV_FILE", default=".env")
    if env_file.exists():
        env.read_env(env_file)
    elif "ENV_FILE" in env.ENVIRON:
        raise ImproperlyConfigured(f"ENV_FILE names {env_file}, which does not exist.")

    port = _port(env, "PORT", 3232)
    base_uri = _http_url(env, "BASE_URI", f"http://localhost:{port}")
    if base_uri.path:
        raise ImproperlyConfigured(
            "BASE_URI must have no path: clients look for metadata at the root of the host."
        )
    local = is_loopback(base_uri.hostname)
    debug = _boolean(env, "DEBUG", local)
    auth_server_port = _port(env, "AUTH_SERVER_PORT", 3001)
    auth_mode = _choice(env, "AUTH_MODE", (INTEGRATED, SEPARATE))
    default_auth_server = (
        base_uri if auth_mode == INTEGRATED else urlsplit(f"http://localhost:{auth_server_port}")
    )
    auth_server = _http_url(env, "AUTH_SERVER_URL", default_auth_server.geturl())
    if auth_mode == INTEGRATED and auth_server != base_uri:
        raise ImproperlyConfigured(
            "AUTH_SERVER_URL names another server, which AUTH_MODE=integrated does not use: "
            "set AUTH_MODE=separate, or leave AUTH_SERVER_URL out."
        )
    secret_key = _secret_key(env, base_dir, debug)
    return Environment(
        port=port,
        base_uri=base_uri.geturl(),
        redis_url=_redis_url(env, base_dir),
        database=_database(env, base_dir),
        auth_mode=auth_mode,
        auth_server_url=auth_server.geturl(),
        auth_server_port=auth_server_port,
        token_verification=_token_verification(env, auth_mode, base_uri, auth_server, debug, secret_key),
        rate_limits=_boolean(env, "RATE_LIMITS", True),
        trusted_proxies=_count(env, "TRUSTED_PROXIES", 0),
        client_id_metadata_documents=_boolean(env, "CLIENT_ID_METADATA_DOCUMENTS", True),
        redirect_schemes=[_scheme(scheme) for scheme in _list(env, "REDIRECT_SCHEMES", ["cursor"])],
        secret_key=secret_key,
        secret_key_fallbacks=_list(env, "SECRET_KEY_FALLBACKS", []),
        debug=debug,
        allowed_hosts=[_host(host) for host in _list(env, "ALLOWED_HOSTS", [])]
        or _default_hosts(base_uri, auth_server),
        allowed_origins=[
            _origin(origin)
            for origin in _list(env, "ALLOWED_ORIGINS", [f"{base_uri.scheme}://{base_uri.netloc}"])
        ],
        conformance_fixtures=_boolean(env, "CONFORMANCE_FIXTURES", False),
    )


def is_loopback(hostname: str | None) -> bool:
    """Whether a URL's host can only be this computer (RFC 8252 §7.3)."""
    if hostname is None:
        return False
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost" or hostname.endswith(".localhost")


def auth_server_fault(environment: Environment) -> str | None:
    """Why this project cannot be the authorization server that the environment describes, or None."""
    tokens = environment.token_verification
    if tokens is None:
        return "AUTH_MODE=integrated: the MCP server is its own authorization server. Set AUTH_MODE=separate."
    if tokens.kind != INTROSPECTION:
        return "This authorization server gives no JWTs: set TOKEN_VERIFICATION=introspection."
    if urlsplit(environment.auth_server_url).path:
        return "This authorization server needs an origin of its own: AUTH_SERVER_URL must have no path."
    if tokens.issuer != environment.auth_server_url:
        return "AUTH_SERVER_ISSUER is for the server of another maker; leave it out."
    return None


def _token_verification(
    env: environ.Env,
    auth_mode: str,
    base_uri: SplitResult,
    auth_server: SplitResult,
    debug: bool,
    secret_key: str,
) -> TokenVerification | None:
    if auth_mode == INTEGRATED:
        for name in _SEPARATE_ONLY:
            if env.str(name, default=""):
                raise ImproperlyConfigured(f"{name} is for AUTH_MODE=separate; leave it out.")
        return None
    if auth_server == base_uri:
        raise ImproperlyConfigured(
            "AUTH_SERVER_URL names this very server: set AUTH_MODE=integrated, or the URL of the other one."
        )
    if base_uri.scheme == "https" and auth_server.scheme != "https":
        raise ImproperlyConfigured("AUTH_SERVER_URL must be https, since BASE_URI is.")
    kind = _choice(env, "TOKEN_VERIFICATION", (INTROSPECTION, JWT))
    other = ("JWKS_URL", "JWT_TYPES") if kind == INTROSPECTION else _SEPARATE_ONLY[3:6]
    for name in other:
        if env.str(name, default=""):
            raise ImproperlyConfigured(f"{name} has no use with TOKEN_VERIFICATION={kind}; leave it out.")
    if kind == JWT and not env.str("JWKS_URL", default=""):
        raise ImproperlyConfigured("TOKEN_VERIFICATION=jwt needs JWKS_URL, where the keys are published.")
    client_id, client_secret = ("", "") if kind == JWT else _introspection_client(env, debug, secret_key)
    for name in ("INTROSPECTION_URL", "JWKS_URL"):
        if _http_url(env, name, auth_server.geturl()).scheme != "https" and base_uri.scheme == "https":
            raise ImproperlyConfigured(f"{name} must be https, since BASE_URI is.")
    issuer: str = env.str("AUTH_SERVER_ISSUER", default=auth_server.geturl())
    if _http_url(env, "AUTH_SERVER_ISSUER", auth_server.geturl()) != auth_server:
        raise ImproperlyConfigured("AUTH_SERVER_ISSUER may differ from AUTH_SERVER_URL in a last slash only.")
    return TokenVerification(
        kind=kind,
        issuer=issuer,
        audience=env.str("TOKEN_AUDIENCE", default="") or None,
        introspection_url=env.str("INTROSPECTION_URL", default=f"{auth_server.geturl()}/introspect"),
        client_id=client_id,
        client_secret=client_secret,
        jwks_url=env.str("JWKS_URL", default=""),
        jwt_types=_list(env, "JWT_TYPES", ["at+jwt"]),
    )


def _introspection_client(env: environ.Env, debug: bool, secret_key: str) -> tuple[str, str]:
    """As whom the MCP server asks. In development both servers derive the same secret from SECRET_KEY."""
    client_id: str = env.str("INTROSPECTION_CLIENT_ID", default="")
    secret: str = env.str("INTROSPECTION_CLIENT_SECRET", default="")
    if debug:
        derived = hmac.digest(secret_key.encode(), b"introspection client", hashlib.sha256).hex()
        return client_id or "mcp-server", secret or derived
    if not client_id or not secret:
        raise ImproperlyConfigured(
            "INTROSPECTION_CLIENT_ID and INTROSPECTION_CLIENT_SECRET must be set when DEBUG is off: "
            "with them the MCP server asks the authorization server what a token is worth."
        )
    return client_id, secret


def _default_hosts(*urls: SplitResult) -> list[str]:
    hosts: list[str] = []
    for url in urls:
        hosts += ["localhost", "127.0.0.1", "[::1]"] if is_loopback(url.hostname) else [url.hostname or ""]
    return list(dict.fromkeys(hosts))


def _port(env: environ.Env, name: str, default: int) -> int:
    text = env.str(name, default=str(default))
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ImproperlyConfigured(f"{name} must be a port number from 1 to 65535, not {text!r}.")
    return int(text)


def _count(env: environ.Env, name: str, default: int) -> int:
    text = env.str(name, default=str(default))
    if not text.isdecimal() or int(text) > 10:
        raise ImproperlyConfigured(f"{name} must be a whole number from 0 to 10, not {text!r}.")
    return int(text)


def _boolean(env: environ.Env, name: str, default: bool) -> bool:
    text = env.str(name, default=str(default)).strip().lower()
    if text not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name} must be true or false, not {text!r}.")
    return text in _TRUE


def _choice(env: environ.Env, name: str, choices: tuple[str, ...]) -> str:
    text: str = env.str(name, default=choices[0])
    if text not in choices:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(choices)}, not {text!r}.")
    return text


def _list(env: environ.Env, name: str, default: list[str]) -> list[str]:
    text: str = env.str(name, default="")
    return [item.strip() for item in text.split(",") if item.strip()] or default


def _http_url(env: environ.Env, name: str, default: str) -> SplitResult:
    """An http(s) URL without a trailing slash: clients compare issuer and resource to the letter."""
    text: str = env.str(name, default=default)
    try:
        url = urlsplit(text.rstrip("/"))
        url.port  # noqa: B018 - raises ValueError for a port out of range
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not a URL: {error}.") from error
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ImproperlyConfigured(
            f"{name} must be an http or https URL without query, fragment or user, not {text!r}."
        )
    return url


def _origin(text: str) -> str:
    url = urlsplit(text)
    if not url.scheme or not url.netloc or url.path or url.query or url.fragment:
        raise ImproperlyConfigured(
            f"ALLOWED_ORIGINS holds origins such as https://app.example.com, not {text!r}."
        )
    return text


def _scheme(text: str) -> str:
    if fault := scheme_fault(text):
        raise ImproperlyConfigured(f"REDIRECT_SCHEMES holds {text!r}, which {fault}.")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ImproperlyConfigured(
            f"ALLOWED_HOSTS holds hosts such as app.example.com, without scheme, port or path, not {text!r}."
        )
    return text


def _redis_url(env: environ.Env, base_dir: Path) -> str:
    text: str = env.str("REDIS_URL", default="") or valkey.default_url(base_dir)
    try:
        cast(Any, parse_url)(text)
        url = urlsplit(text)
    except ValueError:
        raise ImproperlyConfigured(  # what was wrong may be the password
            "REDIS_URL must be a URL such as redis://:password@host:6379/0, rediss://… or unix:///path."
        ) from None
    if url.scheme == "unix" and not url.path:
        raise ImproperlyConfigured("REDIS_URL must name the path of a socket: unix:///path.")
    if url.scheme != "unix" and not re.fullmatch(r"/?|/\d+", url.path):
        raise ImproperlyConfigured(
            f"REDIS_URL must end with the number of a database, such as /0, not with {url.path!r}."
        )
    return text


def _database(env: environ.Env, base_dir: Path) -> dict[str, Any]:
    url: str = env.str("DATABASE_URL", default="") or f"sqlite:///{base_dir / 'db.sqlite3'}"
    try:
        database: dict[str, Any] = env.db_url_config(url)
    except Exception as error:
        raise ImproperlyConfigured(
            "DATABASE_URL is not a database URL such as postgres://user@host/name."
        ) from error
    if database.get("ENGINE") not in _DATABASES:
        raise ImproperlyConfigured(
            "DATABASE_URL must name a database: postgres://user@host/name or sqlite:///path."
        )
    return database


def _secret_key(env: environ.Env, base_dir: Path, debug: bool) -> str:
    """The given key; in development one that is made once and kept, so that restarts forget nothing."""
    key: str = env.str("SECRET_KEY", default="")
    if key:
        if not debug and len(key) < _MIN_SECRET_KEY_LENGTH:
            raise ImproperlyConfigured(f"SECRET_KEY must have at least {_MIN_SECRET_KEY_LENGTH} characters.")
        return key
    if not debug:
        raise ImproperlyConfigured(
            "SECRET_KEY must be set when DEBUG is off: sessions and sign-ins are protected by it."
        )
    kept = base_dir / ".dev-secret-key"
    if not kept.exists():
        kept.touch(mode=0o600)
        kept.write_text(get_random_secret_key())
    return kept.read_text()
