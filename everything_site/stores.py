"""Where an installation stores its state: REDIS_URL and DATABASE_URL, with their defaults."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url

from mcp_app import valkey

_SQLITE = "django.db.backends.sqlite3"
_POSTGRESQL = "django.db.backends.postgresql"
_CONNECTIONS: dict[str, type] = {
    "redis": Connection,
    "rediss": SSLConnection,
    "unix": UnixDomainSocketConnection,
}
_REFUSED_OPTIONS = frozenset({"conn_max_age", "conn_health_checks", "atomic_requests", "autocommit"})


def redis_url(text: str, base_dir: Path) -> str:
    """The URL of the Redis server; by default that of the embedded one, whose folder is checked first.

    Raises:
        ImproperlyConfigured: It is invalid, or the folder is not private.
    """
    embedded = valkey.default_url(base_dir)
    text = text or embedded
    if text == embedded:
        try:
            valkey.check(text)
        except valkey.Refused as refused:
            raise ImproperlyConfigured(str(refused)) from None
    try:
        url = urlsplit(text)
        for name, value in parse_qsl(url.query, keep_blank_values=True):
            _check_redis_option(url.scheme, name, value)
        cast(Any, parse_url)(text)
    except ValueError:
        raise ImproperlyConfigured(  # the invalid part may be the password
            "REDIS_URL must be a URL such as redis://:password@host:6379/0, rediss://… or unix:///path."
        ) from None
    if url.scheme == "unix" and not url.path:
        raise ImproperlyConfigured("REDIS_URL must name the path of a socket: unix:///path.")
    if url.scheme != "unix" and not re.fullmatch(r"/?|/\d+", url.path):
        raise ImproperlyConfigured(
            f"REDIS_URL must end with the number of a database, such as /0, not with {url.path!r}."
        )
    return text


def _check_redis_option(scheme: str, name: str, value: str) -> None:
    """Reject an option that a Redis connection does not support: otherwise every request would fail."""
    kind = _CONNECTIONS.get(scheme)
    if kind is None:
        return  # the scheme is rejected
    try:
        options = cast(Any, parse_url)(f"{scheme}:///?{urlencode({name: value})}")
    except ValueError:
        raise ImproperlyConfigured(f"REDIS_URL has an invalid value for {name}.") from None
    options.pop("connection_class", None)
    options.pop("max_connections", None)  # an option of the pool
    try:
        kind(**options)
    except Exception:
        raise ImproperlyConfigured(
            f"REDIS_URL has the option {name}, which is not an option of Redis connections."
        ) from None


def database(text: str, base_dir: Path) -> dict[str, Any]:
    """Django's settings of the database.

    The default is not built from a URL: a path may contain `+`, `#`, `?` and `%`.

    Raises:
        ImproperlyConfigured: DATABASE_URL is invalid, or sets what this project decides.
    """
    if not text:
        return {"ENGINE": _SQLITE, "NAME": str(base_dir / "db.sqlite3")}
    if not re.match(r"(sqlite|postgres|postgresql|pgsql|psql)://", text):
        raise ImproperlyConfigured(
            "DATABASE_URL must begin with postgres:// or sqlite:///: PostgreSQL and SQLite are supported."
        )
    try:
        url = urlsplit(text)
        found: dict[str, Any] = environ.Env.db_url_config(text)
    except Exception:
        raise ImproperlyConfigured(  # the invalid part may be the password
            "DATABASE_URL is not a database URL such as postgres://user@host/name."
        ) from None
    if found.get("ENGINE") not in (_SQLITE, _POSTGRESQL) or not found["NAME"] or url.fragment:
        raise ImproperlyConfigured(
            "DATABASE_URL must name a database: postgres://user@host/name or sqlite:///path; "
            "in names, passwords and paths # is %23, and ? is %3F."
        )
    options = {name.lower() for name, _ in parse_qsl(url.query, keep_blank_values=True)}
    if refused := ", ".join(sorted(options & _REFUSED_OPTIONS)):
        raise ImproperlyConfigured(
            f"DATABASE_URL must not set {refused}. A request may run in any of many threads, each with a "
            "connection of its own: they are closed after each request, and transactions are the views' own."
        )
    if found["ENGINE"] == _SQLITE:
        return {**found, "NAME": _sqlite_file(url, base_dir)}
    return found


def _sqlite_file(url: SplitResult, base_dir: Path) -> str:
    """The path of the file; a relative one starts in the project's folder, as the default does."""
    name = unquote(url.path)[1:]
    if url.netloc or url.query or not name or name == ":memory:" or "\0" in name:
        raise ImproperlyConfigured(
            "DATABASE_URL must name a file, without host or options: sqlite:///name in the project's folder, "
            "sqlite:////path elsewhere. A database in memory could not be shared by threads and processes."
        )
    path = str(base_dir / name)
    if name.endswith("/") or (os.path.exists(path) and not os.path.isfile(path)):
        raise ImproperlyConfigured(f"DATABASE_URL must name a file: {path} is not a regular file.")
    return path
