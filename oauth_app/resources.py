"""RFC 8707: the resource that a token is for. There is exactly one, and every token is bound to it.

The resource has two names, the URLs of its endpoints: a client names the one that it uses. A request may name
either; the token is bound to the first (RFC 8707 §2 lets a server map what is asked for to an audience).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit


def is_resource(value: str, resource_url: str) -> bool:
    """Whether `value` names the resource; case of scheme and host, and one trailing slash, are forgiven."""
    return _canonical(value) == _canonical(resource_url)


def unknown(values: Iterable[str], resource_urls: Collection[str]) -> list[str]:
    """Those of the requested resources that are none of ours."""
    return [value for value in values if not any(is_resource(value, url) for url in resource_urls)]


def _canonical(value: str) -> str | None:
    if value != value.strip() or not value.isprintable():
        return None
    try:
        url = urlsplit(value)
    except ValueError:
        return None
    if "#" in value or "@" in url.netloc:
        return None
    path = url.path[:-1] if url.path.endswith("/") else url.path
    return url._replace(scheme=url.scheme.lower(), netloc=url.netloc.lower(), path=path).geturl()
