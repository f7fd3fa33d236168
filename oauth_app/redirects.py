"""Redirect URIs: which may be registered, which match a registration, and how they are displayed.

Allowed are https, http on a loopback address with any port, and configured schemes (RFC 8252 §7, RFC 9700
§2.1). Apart from the loopback port, URIs are compared character by character. Pure functions, without Django.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from oauthlib.uri_validate import is_absolute_uri

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_LOOPBACK_NETLOC = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_NETLOC = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(:\d*)?")
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:/[^/?#]", re.IGNORECASE)
"""A private-use URI (RFC 8252 §7.1): a scheme made of a domain name, and a path without a host."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
FORBIDDEN_SCHEMES = frozenset(
    {"http", "https", "javascript", "data", "vbscript", "file", "blob", "about", "ftp", "ws", "wss"}
)
"""Schemes that browsers handle themselves, instead of passing the code to a program."""
MAX_LENGTH = 1000
RESPONSE_PARAMETERS = frozenset({"code", "state", "iss", "error", "error_description", "error_uri"})


def scheme_fault(scheme: str) -> str | None:
    """Why a scheme cannot be allowed for desktop applications, or None."""
    if not _SCHEME.fullmatch(scheme):
        return "must be a scheme in lower case, such as vscode"
    if scheme in FORBIDDEN_SCHEMES:
        return "must be a scheme of a desktop application"
    return None


def fault(uri: str, custom_schemes: Collection[str]) -> str | None:
    """Why a redirect URI cannot be registered, or None."""
    if len(uri) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    if not uri.isascii() or not uri.isprintable() or any(sign in uri for sign in ' \\"<>^`{|}'):
        return "contains characters that are not allowed in a URI"
    try:
        url = urlsplit(uri)
        port = url.port
    except ValueError:
        return "is not a URI"
    if "#" in uri:
        return "must not have a fragment"
    if not _NETLOC.fullmatch(url.netloc.rpartition("@")[2]):
        return "is not a URI"  # some versions of Python take [::1].example for [::1]
    if "@" in url.netloc:
        return "must not have a user name or password"
    if "*" in url.netloc or not (url.hostname or _PRIVATE_USE.match(uri)):
        return "must name a host"
    if not is_absolute_uri(uri):  # oauthlib requires this at /authorize
        return "is not a URI"
    if port == 0:
        return "must not name port 0"
    if RESPONSE_PARAMETERS & {name for name, _ in parse_qsl(url.query, keep_blank_values=True)}:
        return "must not have a parameter of the authorization response"
    if url.scheme == "https" or url.scheme in custom_schemes or is_loopback(url):
        return None
    if url.scheme == "http":
        return "must use https, or http on localhost, 127.0.0.1 or [::1]"
    return f"must use https, or http on this computer, or one of: {', '.join(sorted(custom_schemes))}"


def matches(uri: str, registered: Iterable[str]) -> bool:
    """Whether a URI is registered; on a loopback address the port may differ."""
    candidates = list(registered)
    if uri in candidates:
        return True
    without_port = _without_loopback_port(uri)
    return without_port is not None and without_port in map(_without_loopback_port, candidates)


def with_parameters(uri: str, parameters: Iterable[tuple[str, str]]) -> str:
    """The URI with parameters appended; its own query is kept (RFC 6749 §3.1.2)."""
    _, mark, query = uri.partition("?")
    separator = "&" if query and not query.endswith("&") else "" if mark else "?"
    return f"{uri}{separator}{urlencode(list(parameters))}"


def is_loopback(url: SplitResult) -> bool:
    """Whether it is http on a loopback address (RFC 8252 §7.3): only a program on this computer answers."""
    return url.scheme == "http" and _LOOPBACK_NETLOC.fullmatch(url.netloc) is not None


def is_on_this_computer(uri: str) -> bool:
    """Whether the code goes to a program on the computer of the user, which could be any program."""
    url = urlsplit(uri)
    return url.scheme != "https" or url.hostname in LOOPBACK_HOSTS


def is_of_origin(uri: str, pages: Iterable[str]) -> bool:
    """Whether the URI is on the very server of one of these pages: of the same scheme, host and port."""
    url = urlsplit(uri)
    return any((url.scheme, url.netloc) == (page.scheme, page.netloc) for page in map(urlsplit, pages))


def shown_host(uri: str) -> str:
    """The part of the URI by which a user can judge where the code goes."""
    url = urlsplit(uri)
    return url.netloc if url.scheme in ("http", "https") else f"{url.scheme}://{url.netloc}"


def without_query(uri: str) -> str:
    """The URI as it may be logged."""
    return uri.partition("?")[0].partition("#")[0][:200]


def _without_loopback_port(uri: str) -> str | None:
    try:
        url = urlsplit(uri)
        url.port  # noqa: B018 - raises ValueError for a port out of range
    except ValueError:
        return None
    if not is_loopback(url) or "@" in url.netloc or "#" in uri:
        return None
    host = url.netloc.rsplit("]", 1)[0] + "]" if url.netloc.startswith("[") else url.netloc.partition(":")[0]
    return uri.replace(url.netloc, host, 1)
