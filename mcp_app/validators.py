"""What values of settings may be: a description, and a function that tells whether a text is valid."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def is_resource(text: str) -> bool:
    url = urlsplit(text)
    return url.scheme in ("http", "https") and not (url.query or url.fragment or text.endswith("/"))


def is_origin(text: str) -> bool:
    url = urlsplit(text)
    return bool(url.scheme and url.netloc) and not (url.path or url.query or url.fragment)


def is_scope(text: str) -> bool:
    return bool(text) and " " not in text


def is_path(text: str) -> bool:
    return not text or re.fullmatch(r"(/[^/?#\s]+)+", text) is not None


def is_redis(text: str) -> bool:
    return urlsplit(text).scheme in ("redis", "rediss", "unix")


def is_url(text: str) -> bool:
    url = urlsplit(text)
    return not text or (url.scheme in ("http", "https") and bool(url.netloc) and text.isprintable())


def is_server_name(text: str) -> bool:
    return not text or (len(text) <= 200 and bool(re.fullmatch(r"[A-Za-z0-9.-]+/[A-Za-z0-9._-]+", text)))


def is_short(text: str) -> bool:
    return len(text) <= 100


def is_prefix(text: str) -> bool:
    """Braces would be hash tags, and `*` and `?` are patterns to some commands."""
    return re.fullmatch(r"[A-Za-z0-9._:-]{0,64}", text) is not None


def is_process_name(text: str) -> bool:
    """It becomes part of channel names, where dots end it, and of JSON."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,40}", text) is not None


def is_token(text: str) -> bool:
    return re.fullmatch(r"[!-~]{16,256}|", text) is not None


RESOURCE = ("a URL without query, fragment or trailing slash", is_resource)
PATH = ("a path such as /probes/healthz, or empty", is_path)
TOKEN = ("16 to 256 visible ASCII characters", is_token)
REDIS = ("the URL of a Redis server: redis://, rediss:// or unix://", is_redis)
PROCESS = ("up to 40 letters, digits, hyphens and underscores", is_process_name)
URL = ("an http or https URL, or empty", is_url)
SERVER_NAME = ("a name such as com.example/shop, or empty", is_server_name)
SHORT = ("a text of up to 100 characters", is_short)
PREFIX = ("up to 64 letters, digits and characters of ._:-", is_prefix)


def beside(url: str, name: str) -> str:
    """The URL with this name in place of the last part of its path."""
    parts = urlsplit(url)
    return parts._replace(path=f"{parts.path.rpartition('/')[0]}/{name}").geturl()


def metadata_url(resource_url: str) -> str:
    """The URL of the metadata of a resource (RFC 9728 §3.1)."""
    # Slow to import, and settings.py imports this module.
    from mcp.server.auth.routes import build_resource_metadata_url
    from pydantic import AnyHttpUrl

    return str(build_resource_metadata_url(AnyHttpUrl(resource_url)))
