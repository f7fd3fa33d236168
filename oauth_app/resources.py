"""Resource indicators (RFC 8707). There is one resource, and every token is bound to it.

It has two URLs, those of its endpoints, and a request may name either. The token is always bound to the
first: RFC 8707 §2 allows a server to map the requested resource to an audience.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit


def is_resource(value: str, resource_url: str) -> bool:
    """Whether `value` names the resource; ignoring the case of scheme and host, and one trailing slash."""
    return value == resource_url or _canonical(value) == _canonical(resource_url)


def unknown(values: Iterable[str], resource_urls: Collection[str]) -> list[str]:
    """The requested resources that are not served here."""
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
