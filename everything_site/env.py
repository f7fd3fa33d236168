"""The environment: every variable the project reads, typed, and refused where it makes no sense."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from everything_site import public_url, stores
from everything_site.variables import Variables
from mcp_app.hosts import is_loopback
from oauth_app.redirects import scheme_fault

INTEGRATED = "integrated"
SEPARATE = "separate"
INTROSPECTION = "introspection"
JWT = "jwt"

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
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
    audience: str
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
    database_connections: int
    auth_mode: str
    auth_server_url: str
    auth_server_port: int
    token_verification: TokenVerification | None
    rate_limits: bool
    trusted_proxies: int
    hsts_seconds: int
    hsts_subdomains: bool
    hsts_preload: bool
    redirect_schemes: list[str]
    client_id_metadata_documents: bool
    secret_key: str
    secret_key_fallbacks: list[str]
    debug: bool
    allowed_hosts: list[str]
    allowed_origins: list[str]
    conformance_fixtures: bool
    mcp_server: str


def read(base_dir: Path, process: Mapping[str, str] = os.environ) -> Environment:
    """The environment of this process, completed by `.env` (or the file that ENV_FILE names).

    A variable that is set in the process wins over the file; a secret may come from the file that
    `NAME_FILE` names. An empty variable counts as one that is not set.

    Args:
        base_dir: The project's folder.
        process: The variables of the process.

    Raises:
        ImproperlyConfigured: A value makes no sense; the message names the variable.
    """
    env = Variables(base_dir, process)
    port = _port(env, "PORT", _local_port(env, "BASE_URI") or 3232)
    base_uri = _http_url(env, "BASE_URI", f"http://localhost:{port}")
    if base_uri.path:
        raise ImproperlyConfigured(
            "BASE_URI must have no path: clients look for metadata at the root of the host."
        )
    local = is_loopback(base_uri.hostname)
    debug = _boolean(env, "DEBUG", local)
    auth_server_port = _port(env, "AUTH_SERVER_PORT", _local_port(env, "AUTH_SERVER_URL") or 3001)
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
        redis_url=stores.redis_url(env.text("REDIS_URL"), base_dir),
        database=stores.database(env.text("DATABASE_URL"), base_dir),
        database_connections=_count(env, "DATABASE_CONNECTIONS", 20, least=1, most=1000),
        auth_mode=auth_mode,
        auth_server_url=auth_server.geturl(),
        auth_server_port=auth_server_port,
        token_verification=_token_verification(env, auth_mode, base_uri, auth_server, debug, secret_key),
        rate_limits=_boolean(env, "RATE_LIMITS", True),
        trusted_proxies=_count(env, "TRUSTED_PROXIES", 0),
        hsts_seconds=_count(env, "HSTS_SECONDS", 31536000, most=10**9),
        hsts_subdomains=_boolean(env, "HSTS_SUBDOMAINS", False),
        hsts_preload=_boolean(env, "HSTS_PRELOAD", False),
        client_id_metadata_documents=_boolean(env, "CLIENT_ID_METADATA_DOCUMENTS", True),
        redirect_schemes=[_scheme(scheme) for scheme in _list(env, "REDIRECT_SCHEMES", ["cursor"])],
        secret_key=secret_key,
        secret_key_fallbacks=[
            _long_enough("SECRET_KEY_FALLBACKS", key) for key in _list(env, "SECRET_KEY_FALLBACKS", [])
        ],
        debug=debug,
        allowed_hosts=[_host(text) for text in _list(env, "ALLOWED_HOSTS", [])]
        or _default_hosts(base_uri, auth_server),
        allowed_origins=[_origin(text) for text in _list(env, "ALLOWED_ORIGINS", [base_uri.geturl()])],
        conformance_fixtures=_boolean(env, "CONFORMANCE_FIXTURES", False),
        mcp_server=env.text("MCP_SERVER") or "everything_site.demo.server.build",
    )


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
    env: Variables,
    auth_mode: str,
    base_uri: SplitResult,
    auth_server: SplitResult,
    debug: bool,
    secret_key: str,
) -> TokenVerification | None:
    if auth_mode == INTEGRATED:
        for name in _SEPARATE_ONLY:
            if env.text(name):
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
        if env.text(name):
            raise ImproperlyConfigured(f"{name} has no use with TOKEN_VERIFICATION={kind}; leave it out.")
    if kind == JWT and not env.text("JWKS_URL"):
        raise ImproperlyConfigured("TOKEN_VERIFICATION=jwt needs JWKS_URL, where the keys are published.")
    client_id, client_secret = ("", "") if kind == JWT else _introspection_client(env, debug, secret_key)
    for name in ("INTROSPECTION_URL", "JWKS_URL"):
        if _http_url(env, name, auth_server.geturl()).scheme != "https" and base_uri.scheme == "https":
            raise ImproperlyConfigured(f"{name} must be https, since BASE_URI is.")
    issuer = env.text("AUTH_SERVER_ISSUER") or auth_server.geturl()
    if _http_url(env, "AUTH_SERVER_ISSUER", auth_server.geturl()) != auth_server:
        raise ImproperlyConfigured("AUTH_SERVER_ISSUER may differ from AUTH_SERVER_URL in a last slash only.")
    return TokenVerification(
        kind=kind,
        issuer=issuer,
        audience=env.text("TOKEN_AUDIENCE"),
        introspection_url=env.text("INTROSPECTION_URL") or f"{auth_server.geturl()}/introspect",
        client_id=client_id,
        client_secret=client_secret,
        jwks_url=env.text("JWKS_URL"),
        jwt_types=_list(env, "JWT_TYPES", ["at+jwt"]),
    )


def _introspection_client(env: Variables, debug: bool, secret_key: str) -> tuple[str, str]:
    """As whom the MCP server asks. In development both servers derive the same secret from SECRET_KEY."""
    client_id = env.text("INTROSPECTION_CLIENT_ID")
    secret = env.text("INTROSPECTION_CLIENT_SECRET")
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
        name = url.netloc.removesuffix(f":{url.port}")
        hosts += ["localhost", "127.0.0.1", "[::1]"] if is_loopback(url.hostname) else []
        hosts += [name]
    return list(dict.fromkeys(hosts))


def _port(env: Variables, name: str, default: int) -> int:
    text = env.text(name) or str(default)
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ImproperlyConfigured(f"{name} must be a port number from 1 to 65535, not {text!r}.")
    return int(text)


def _count(env: Variables, name: str, default: int, *, least: int = 0, most: int = 10) -> int:
    text = env.text(name) or str(default)
    if not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
        raise ImproperlyConfigured(f"{name} must be a whole number from {least} to {most}, not {text!r}.")
    return int(text)


def _boolean(env: Variables, name: str, default: bool) -> bool:
    text = env.text(name).strip().lower() or str(default).lower()
    if text not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name} must be true or false, not {text!r}.")
    return text in _TRUE


def _choice(env: Variables, name: str, choices: tuple[str, ...]) -> str:
    text = env.text(name) or choices[0]
    if text not in choices:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(choices)}, not {text!r}.")
    return text


def _list(env: Variables, name: str, default: list[str]) -> list[str]:
    text = env.text(name)
    return [item.strip() for item in text.split(",") if item.strip()] or default


def _http_url(env: Variables, name: str, default: str) -> SplitResult:
    """An http(s) URL in the form in which clients compare issuer and resource to the letter."""
    try:
        url = public_url.http_url(env.text(name) or default)
    except ValueError as wanted:
        raise ImproperlyConfigured(f"{name} must be {wanted}.") from None
    if url.hostname in ("0.0.0.0", "::"):  # noqa: S104 - which is refused
        raise ImproperlyConfigured(
            f"{name} must be the URL by which clients reach the server: {url.hostname} is an address to "
            "listen on, and nobody can connect to it."
        )
    return url


def _local_port(env: Variables, name: str) -> int | None:
    """The port that a URL of this computer names: what it leads to listens there."""
    try:
        url = public_url.http_url(env.text(name))
    except ValueError:
        return None  # it is refused where it is read
    return url.port if is_loopback(url.hostname) else None


def _origin(text: str) -> str:
    try:
        return public_url.origin(text)
    except ValueError:
        raise ImproperlyConfigured(
            f"ALLOWED_ORIGINS holds origins such as https://app.example.com, not {text!r}."
        ) from None


def _scheme(text: str) -> str:
    if fault := scheme_fault(text):
        raise ImproperlyConfigured(f"REDIRECT_SCHEMES holds {text!r}, which {fault}.")
    return text


def _host(text: str) -> str:
    """A host as Django compares it: `*` is any, `.example.com` that one and all below it."""
    if text == "*":
        return text
    try:
        return "." * text.startswith(".") + public_url.host(text.removeprefix("."))
    except ValueError:
        raise ImproperlyConfigured(
            f"ALLOWED_HOSTS holds hosts such as app.example.com, without scheme, port or path, not {text!r}."
        ) from None


def _secret_key(env: Variables, base_dir: Path, debug: bool) -> str:
    """The given key; in development one that is made once and kept, so that restarts forget nothing."""
    if key := env.text("SECRET_KEY"):
        return _long_enough("SECRET_KEY", key)
    if not debug:
        raise ImproperlyConfigured(
            "SECRET_KEY must be set when DEBUG is off: sessions and sign-ins are protected by it."
        )
    return _kept_secret_key(base_dir / ".dev-secret-key")


def _long_enough(name: str, key: str) -> str:
    if len(key.encode()) < _MIN_SECRET_KEY_LENGTH:
        raise ImproperlyConfigured(f"{name} must have at least {_MIN_SECRET_KEY_LENGTH} characters.")
    return key


def _kept_secret_key(path: Path) -> str:
    """The key in a file that only its owner can read; made at the first use, by one process of several."""
    try:
        if not path.exists():
            made = path.with_name(f"{path.name}.{os.getpid()}")
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w") as file:
                file.write(get_random_secret_key())
            try:
                os.link(made, path)  # unlike a rename it fails where another process was first
            except FileExistsError:
                pass
            except OSError:  # a file system without links
                made.replace(path)
            finally:
                made.unlink(missing_ok=True)
        elif path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return path.read_text()
    except OSError as error:
        raise ImproperlyConfigured(
            f"SECRET_KEY must be set: the key of development cannot be kept in {path} ({error.strerror})."
        ) from None
