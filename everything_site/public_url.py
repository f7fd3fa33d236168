"""URLs, origins and hosts in the form in which clients compare them.

Clients normalise the URL that a user enters (WHATWG URL, "host parsing"): upper case becomes lower case, a
default port disappears, an international name becomes ASCII. What this server publishes must be exactly
that (RFC 8707 §2, RFC 9728 §3.3, RFC 8414 §3.3, RFC 9207 §2.4), so settings are normalised
once, where they are read. Ambiguous values are rejected.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

import idna

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SPACES_AND_CONTROLS = re.compile(r"[\x00-\x20\x7f\\]")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_ENDS_IN_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
_PATH = re.compile(r"(/(?!(\.|%2[Ee]){1,2}(/|$))([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*")


def http_url(text: str) -> SplitResult:
    """A normalised http or https URL, without a trailing slash.

    Raises:
        ValueError: It is invalid or ambiguous, or it has a query, a fragment or a user. The
            message completes "… must be"; it does not repeat the text, which may contain a password.
    """
    wanted = ValueError("an http or https URL without query, fragment or user")
    if _SPACES_AND_CONTROLS.search(text) or any(mark in text for mark in "?#@"):
        raise wanted
    try:
        url = urlsplit(text.rstrip("/"))
    except ValueError:
        raise wanted from None
    try:
        port = url.port
    except ValueError:
        raise ValueError("a URL with a port from 1 to 65535") from None
    if url.scheme not in _DEFAULT_PORTS or not url.hostname:
        raise wanted
    if port == 0:
        raise ValueError("a URL with a port from 1 to 65535")
    if not _PATH.fullmatch(url.path):
        raise ValueError("a URL whose path needs no further encoding and holds no . or .. or empty part")
    try:
        name = host(url.hostname if ":" not in url.hostname else f"[{url.hostname}]")
    except ValueError:
        raise ValueError(
            "a URL of one host: a name of letters, digits and hyphens, an IPv4 address such as 192.0.2.1, or "
            "an IPv6 address in brackets, without a zone"
        ) from None
    netloc = name if port in (None, _DEFAULT_PORTS[url.scheme]) else f"{name}:{port}"
    return SplitResult(url.scheme, netloc, url.path, "", "")


def origin(text: str) -> str:
    """A normalised origin of a browser page (RFC 6454 §6.2); those of extensions stay as they are.

    Raises:
        ValueError: It is invalid. The message completes "… must be".
    """
    wanted = ValueError("an origin such as https://app.example.com")
    if _SPACES_AND_CONTROLS.search(text):
        raise wanted
    try:
        url = urlsplit(text)
        if url.scheme in _DEFAULT_PORTS and not url.path:
            return http_url(text).geturl()
    except ValueError:
        raise wanted from None
    if not url.scheme or not url.netloc or url.path or any(mark in text for mark in "?#@"):
        raise wanted
    return text


def host(text: str) -> str:
    """A normalised host, without a port: a name, an IPv4 address, or an IPv6 address in brackets.

    Raises:
        ValueError: It is invalid, or an ambiguous form of an address, such as `127.1`. The
            message completes "… must be".
    """
    wanted = ValueError("a host such as app.example.com, without scheme, port or path")
    try:
        if text.startswith("["):
            if not text.endswith("]") or "%" in text:
                raise wanted
            return f"[{ipaddress.IPv6Address(text[1:-1]).compressed}]"
        name = text.lower()
        if not name.isascii():
            name = idna.encode(name, uts46=True).decode()  # its errors are ValueErrors, too
        if _ENDS_IN_NUMBER.fullmatch(name):
            return str(ipaddress.IPv4Address(name))
    except ValueError:
        raise wanted from None
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise wanted
    return name
