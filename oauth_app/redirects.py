"""Redirect URIs: which may be registered, which match a registration, what a person is told of them.

RFC 8252 §7 and RFC 9700 §2.1: https, or http on this computer at any port, or a scheme that is
known here; compared to the letter otherwise. Pure functions, which know no Django.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from oauthlib.uri_validate import is_absolute_uri

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_LOOPBACK_NETLOC = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:/[^/?#]", re.IGNORECASE)
"""The form of RFC 8252 §7.1, which names no host: a scheme made of a domain name, and a path."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
FORBIDDEN_SCHEMES = frozenset(
    {"http", "https", "javascript", "data", "vbscript", "file", "blob", "about", "ftp", "ws", "wss"}
)
"""Schemes that browsers open or run themselves, instead of handing the code to a program."""
MAX_LENGTH = 1000
RESPONSE_PARAMETERS = frozenset({"code", "state", "iss", "error", "error_description", "error_uri"})


def scheme_fault(scheme: str) -> str | None:
    """Why a scheme cannot be one of desktop applications, or None."""
    if not _SCHEME.fullmatch(scheme):
        return "is not a scheme in lower case, such as vscode"
    if scheme in FORBIDDEN_SCHEMES:
        return "is not a scheme of a desktop application"
    return None


def fault(uri: str, custom_schemes: Collection[str]) -> str | None:
    """Why a redirect URI may not be registered, or None."""
    if len(uri) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    if not uri.isascii() or not uri.isprintable() or any(sign in uri for sign in ' \\"<>^`{|}'):
        return "holds characters that no URI may hold"
    try:
        url = urlsplit(uri)
        port = url.port
    except ValueError:
        return "is not a URI"
    if "#" in uri:
        return "must not have a fragment"
    if "@" in url.netloc:
        return "must not have a user name or password"
    if "*" in url.netloc or not (url.hostname or _PRIVATE_USE.match(uri)):
        return "must name a host"
    if not is_absolute_uri(uri):  # by which oauthlib judges it at /authorize
        return "is not a URI"
    if port == 0:
        return "must not name port 0"
    if RESPONSE_PARAMETERS & {name for name, _ in parse_qsl(url.query, keep_blank_values=True)}:
        return "must not carry a parameter of the authorization response"
    if url.scheme == "https" or url.scheme in custom_schemes or _is_loopback(url):
        return None
    if url.scheme == "http":
        return "must use https, or http on localhost, 127.0.0.1 or [::1]"
    return f"must use https, or http on this computer, or one of: {', '.join(sorted(custom_schemes))}"


def matches(uri: str, registered: Iterable[str]) -> bool:
    """Whether a requested URI is one of the registered ones; on this computer the port is free."""
    candidates = list(registered)
    if uri in candidates:
        return True
    without_port = _without_loopback_port(uri)
    return without_port is not None and without_port in map(_without_loopback_port, candidates)


def with_parameters(uri: str, parameters: Iterable[tuple[str, str]]) -> str:
    """The URI with an authorization response appended; its own query stays as it is (RFC 6749 §3.1.2)."""
    _, mark, query = uri.partition("?")
    joint = "&" if query and not query.endswith("&") else "" if mark else "?"
    return f"{uri}{joint}{urlencode(list(parameters))}"


def is_on_this_computer(uri: str) -> bool:
    """Whether any program on the person's computer could be the one that receives the code."""
    url = urlsplit(uri)
    return url.scheme != "https" or url.hostname in LOOPBACK_HOSTS


def shown_host(uri: str) -> str:
    """Where the code goes, in the shortest form that a person can judge."""
    url = urlsplit(uri)
    return url.netloc if url.scheme in ("http", "https") else f"{url.scheme}://{url.netloc}"


def without_query(uri: str) -> str:
    """The URI as it may be logged."""
    return uri.partition("?")[0].partition("#")[0][:200]


def _is_loopback(url: SplitResult) -> bool:
    return url.scheme == "http" and _LOOPBACK_NETLOC.fullmatch(url.netloc) is not None


def _without_loopback_port(uri: str) -> str | None:
    try:
        url = urlsplit(uri)
        url.port  # noqa: B018 - raises ValueError for a port out of range
    except ValueError:
        return None
    if not _is_loopback(url) or "@" in url.netloc or "#" in uri:
        return None
    host = url.netloc.rsplit("]", 1)[0] + "]" if url.netloc.startswith("[") else url.netloc.partition(":")[0]
    return uri.replace(url.netloc, host, 1)
