"""The environment: every variable the project reads, typed and validated."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from everything_site import command_line, public_url, stores
from everything_site.audit.log import OFF, STDERR
from everything_site.conf import (
    DERIVED,
    FROM_ENVIRONMENT,
    INTEGRATED,
    INTROSPECTION,
    JWT,
    OF_THE_APPS,
    SEPARATE_ONLY,
    AnySetting,
    Environment,
)
from everything_site.variables import Variables
from mcp_app.conf import Conf as Mcp
from mcp_app.hosts import is_loopback
from oauth_app.redirects import LOOPBACK_HOSTS

ADMIN_SCOPE = {"mcp:admin": "Use the tools that inspect the server itself, such as its versions"}
"""The scope that a tool of the demonstration requires."""

_INTROSPECTION_ONLY = (Mcp.introspection_url, Mcp.introspection_client_id, Mcp.introspection_client_secret)


def state_dir(project: Path, process: Mapping[str, str] = os.environ) -> Path:
    """The folder that STATE_DIR names; the project's folder by default. Only a command that stores nothing
    may name one that does not exist.

    Args:
        project: The project's folder.
        process: The variables of the process.

    Raises:
        ImproperlyConfigured: There is no such folder.
    """
    folder = Path(process.get("STATE_DIR", "").strip() or project).resolve()
    if not command_line.stores_nothing.get() and not folder.is_dir():
        raise ImproperlyConfigured(f"STATE_DIR names {folder}, which is not a folder.")
    return folder


def read(base_dir: Path, process: Mapping[str, str] = os.environ) -> Environment:
    """The environment of this process, completed by `.env` (or the file that ENV_FILE names).

    A variable set in the process takes precedence over the file; a secret may come from the file that
    `NAME_FILE` names. An empty variable counts as one that is not set.

    Args:
        base_dir: The project's folder.
        process: The variables of the process.

    Raises:
        ImproperlyConfigured: A value is invalid; the message names the variable.
    """
    env = Variables(base_dir, process)
    given = {setting.attribute: env.value(setting) for setting in Environment.declared()}
    found = Environment(**given)
    port = _port(env, Environment.port, found.base_uri)
    auth_server_port = _port(env, Environment.auth_server_port, found.auth_server_url)
    base_uri = _http_url("BASE_URI", found.base_uri or f"http://localhost:{port}")
    if base_uri.path:
        raise ImproperlyConfigured(
            "BASE_URI must have no path: clients look for metadata at the root of the host."
        )
    debug = found.debug if env.text("DEBUG") else is_loopback(base_uri.hostname)
    is_integrated = found.auth_mode == INTEGRATED
    default = base_uri.geturl() if is_integrated else f"http://localhost:{auth_server_port}"
    auth_server = _http_url("AUTH_SERVER_URL", found.auth_server_url or default)
    if is_integrated and auth_server != base_uri:
        raise ImproperlyConfigured(
            "AUTH_SERVER_URL names another server, which AUTH_MODE=integrated does not use: "
            "set AUTH_MODE=separate, or leave AUTH_SERVER_URL out."
        )
    given |= {
        "port": port,
        "base_uri": base_uri.geturl(),
        "redis_url": stores.redis_url(found.redis_url, base_dir),
        "auth_server_url": auth_server.geturl(),
        "auth_server_port": auth_server_port,
        "auth_server_issuer": found.auth_server_issuer or auth_server.geturl(),
        "secret_key": found.secret_key or _kept_secret_key(base_dir, debug),
        "debug": debug,
        "audit_log": found.audit_log or (OFF if debug else STDERR),
        **{
            f"{page}_url": getattr(found, f"{page}_url") or f"{base_uri.geturl()}/{page}"
            for page in ("documentation", "privacy", "terms", "support")
        },
        "allowed_hosts": _normalised("ALLOWED_HOSTS", found.allowed_hosts, _host)
        or _default_hosts(base_uri, auth_server),
    }
    return Environment(
        database=stores.database(found.database_url, base_dir),
        settings=_settings_of_apps(env, Environment(**given)),
        given=[setting.variable for setting in FROM_ENVIRONMENT if env.text(setting.variable)],
        unknown=env.unknown([*Environment.declared(), *OF_THE_APPS]),
        **given,
    )


def auth_server_fault(environment: Environment) -> str | None:
    """Why this project cannot be the configured authorization server, or None."""
    if environment.auth_mode == INTEGRATED:
        return "AUTH_MODE=integrated: the MCP server is its own authorization server. Set AUTH_MODE=separate."
    if environment.token_verification != INTROSPECTION:
        return "This authorization server does not issue JWTs: set TOKEN_VERIFICATION=introspection."
    url = urlsplit(environment.auth_server_url)
    if url.scheme != "https" and url.hostname not in LOOPBACK_HOSTS:
        return "AUTH_SERVER_URL must be https: clients send this authorization server codes and tokens."
    if url.path:
        return "This authorization server needs an origin of its own: AUTH_SERVER_URL must have no path."
    if environment.auth_server_issuer != environment.auth_server_url:
        return "AUTH_SERVER_ISSUER is only for authorization servers of other vendors; leave it out."
    return None


def _settings_of_apps(env: Variables, site: Environment) -> dict[str, Any]:
    """The settings of the apps, from their own variables and from those of this project."""
    found = {
        setting.name: env.value(setting)
        for setting in OF_THE_APPS
        if setting not in DERIVED and env.text(setting.variable)
    }
    origins = env.value(Mcp.allowed_origins) or [site.base_uri]
    found["MCP_ALLOWED_ORIGINS"] = _normalised("ALLOWED_ORIGINS", origins, public_url.origin)
    found["MCP_RESOURCE_URL"] = f"{site.base_uri}/mcp"
    found["MCP_SSE_RESOURCE_URL"] = f"{site.base_uri}/sse"
    found["MCP_ISSUER"] = site.auth_server_issuer
    found["MCP_TOKEN_VERIFIER"] = "oauth_app.verifier.DatabaseTokenVerifier"  # noqa: S105 - a dotted path
    found.setdefault("MCP_SERVER", "everything_site.demo.server.build")
    found.setdefault("MCP_RESOURCE_NAME", "Everything Server")
    found["MCP_RESOURCE_DOCUMENTATION"] = found["OAUTH_SERVICE_DOCUMENTATION"] = site.documentation_url
    found["MCP_RESOURCE_POLICY_URI"] = found["OAUTH_OP_POLICY_URI"] = site.privacy_url
    found["MCP_RESOURCE_TOS_URI"] = found["OAUTH_OP_TOS_URI"] = site.terms_url
    if site.metrics:
        found.setdefault("MCP_METRICS_PATH", "/metrics")
    else:
        _refuse(env, (Mcp.metrics_path, Mcp.metrics_token), "has no effect with METRICS=false")
    if "OAUTH_SCOPES" not in found:
        found["OAUTH_SCOPES"] = ADMIN_SCOPE
        found.setdefault("OAUTH_FURTHER_SCOPES", tuple(ADMIN_SCOPE))
    found.setdefault("MCP_IMPLIED_SCOPES", dict.fromkeys(ADMIN_SCOPE, "mcp"))
    found.setdefault("OAUTH_SIGN_IN", "fakeupstream.sign_in.begin")
    if not site.rate_limits:
        if env.text("OAUTH_RATE_LIMITS"):
            raise ImproperlyConfigured(
                "OAUTH_RATE_LIMITS has no effect with RATE_LIMITS=false; leave it out."
            )
        found["OAUTH_RATE_LIMITS"] = {}
    if site.auth_mode == INTEGRATED:
        _refuse(env, SEPARATE_ONLY, "is for AUTH_MODE=separate")
        return found
    return found | _settings_of_separate_mode(env, site)


def _settings_of_separate_mode(env: Variables, site: Environment) -> dict[str, Any]:
    """How the MCP server in separate mode verifies the tokens of the other server."""
    base_uri, auth_server = urlsplit(site.base_uri), urlsplit(site.auth_server_url)
    if auth_server == base_uri:
        raise ImproperlyConfigured(
            "AUTH_SERVER_URL names this server itself: set AUTH_MODE=integrated, or the URL of the other one."
        )
    if _http_url("AUTH_SERVER_ISSUER", site.auth_server_issuer) != auth_server:
        raise ImproperlyConfigured(
            "AUTH_SERVER_ISSUER may differ from AUTH_SERVER_URL only by a trailing slash."
        )
    for name in ("AUTH_SERVER_URL", "INTROSPECTION_URL", "JWKS_URL"):
        scheme = _http_url(name, env.text(name) or site.auth_server_url).scheme
        if base_uri.scheme == "https" and scheme != "https":
            raise ImproperlyConfigured(f"{name} must be https, since BASE_URI is.")
    purpose = f"has no effect with TOKEN_VERIFICATION={site.token_verification}"
    if site.token_verification == JWT:
        _refuse(env, _INTROSPECTION_ONLY, purpose)
        if not env.text("JWKS_URL"):
            raise ImproperlyConfigured("TOKEN_VERIFICATION=jwt needs JWKS_URL, where the keys are published.")
        return {"MCP_TOKEN_VERIFIER": "mcp_app.auth.jwt.JWTTokenVerifier"}
    _refuse(env, (Mcp.jwks_url, Mcp.jwt_types), purpose)
    client_id, client_secret = _introspection_client(env, site)
    return {
        "MCP_TOKEN_VERIFIER": "mcp_app.auth.introspection.IntrospectionTokenVerifier",
        "MCP_INTROSPECTION_URL": env.text("INTROSPECTION_URL") or f"{site.auth_server_url}/introspect",
        "MCP_INTROSPECTION_CLIENT_ID": client_id,
        "MCP_INTROSPECTION_CLIENT_SECRET": client_secret,
    }


def _refuse(env: Variables, settings: Iterable[AnySetting[Any]], reason: str) -> None:
    for setting in settings:
        if env.text(setting.variable):
            raise ImproperlyConfigured(f"{setting.variable} {reason}; leave it out.")


def _introspection_client(env: Variables, site: Environment) -> tuple[str, str]:
    """The credentials for introspection. In development, both servers derive the secret from SECRET_KEY."""
    client_id = env.text("INTROSPECTION_CLIENT_ID")
    secret = env.text("INTROSPECTION_CLIENT_SECRET")
    if site.debug:
        derived = hmac.digest(site.secret_key.encode(), b"introspection client", hashlib.sha256).hex()
        return client_id or "mcp-server", secret or derived
    if not client_id or not secret:
        raise ImproperlyConfigured(
            "INTROSPECTION_CLIENT_ID and INTROSPECTION_CLIENT_SECRET must be set when DEBUG is off: "
            "the MCP server needs them to introspect tokens."
        )
    return client_id, secret


def _default_hosts(*urls: SplitResult) -> list[str]:
    hosts: list[str] = []
    for url in urls:
        name = url.netloc.removesuffix(f":{url.port}")
        hosts += ["localhost", "127.0.0.1", "[::1]"] if is_loopback(url.hostname) else []
        hosts += [name]
    return list(dict.fromkeys(hosts))


def _http_url(name: str, text: str) -> SplitResult:
    """An http(s) URL in the form in which clients compare issuer and resource."""
    try:
        url = public_url.http_url(text)
    except ValueError as wanted:
        raise ImproperlyConfigured(f"{name} must be {wanted}.") from None
    if url.hostname in ("0.0.0.0", "::"):  # noqa: S104 - which is refused
        raise ImproperlyConfigured(
            f"{name} must be the URL by which clients reach the server: {url.hostname} is an address to "
            "listen on, and nobody can connect to it."
        )
    return url


def _port(env: Variables, setting: AnySetting[int], url: str) -> int:
    """The port of a variable, or that of a URL on this computer, where the server has to listen."""
    port = env.value(setting)
    if env.text(setting.variable):
        return port
    try:
        parts = public_url.http_url(url)
    except ValueError:
        return port  # the URL is refused where it is read
    return parts.port or port if is_loopback(parts.hostname) else port


def _normalised(name: str, texts: Iterable[str], normalise: Callable[[str], str]) -> list[str]:
    found = []
    for text in texts:
        try:
            found.append(normalise(text))
        except ValueError as wanted:
            raise ImproperlyConfigured(f"{name} contains {text!r}: each must be {wanted}.") from None
    return found


def _host(text: str) -> str:
    """A host as Django compares it: `*` is any, `.example.com` that one and all its subdomains."""
    return text if text == "*" else "." * text.startswith(".") + public_url.host(text.removeprefix("."))


def _kept_secret_key(base_dir: Path, debug: bool) -> str:
    """The development key, in a file that only its owner can read, so that it survives restarts.

    It is created at the first use, by one of several processes. A command that stores nothing has one of its
    own then.
    """
    if not debug:
        raise ImproperlyConfigured(
            "SECRET_KEY must be set when DEBUG is off: it protects sessions and sign-ins."
        )
    path = base_dir / ".dev-secret-key"
    if command_line.stores_nothing.get() and not os.path.exists(path):
        return get_random_secret_key()
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
            f"SECRET_KEY must be set: the development key cannot be stored in {path} ({error.strerror})."
        ) from None
