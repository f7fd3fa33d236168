"""System checks of the machine, and of settings that depend on each other."""

from __future__ import annotations

import os
import stat
import tempfile
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.http.request import validate_host

from mcp_app import valkey


@register
def check_temporary_folder(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Daphne keeps large request bodies in temporary files, as Django does uploads."""
    try:
        with tempfile.TemporaryFile():
            return []
    except OSError as error:
        return [
            Error(
                f"No temporary file can be created: {error}.",
                hint="Make /tmp writable, or set TMPDIR to a folder that is.",
                id="everything_site.E001",
            )
        ]


@register
def check_variables(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [Warning(sentence, id="everything_site.W001") for sentence in settings.ENV.unknown]


@register
def check_resource_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{name} is {url!r}, which is not below BASE_URI, {settings.BASE_URI!r}.",
            hint=f"Set only BASE_URI; the endpoint is {path} below it.",
            id="everything_site.E002",
        )
        for name, url, path in (
            ("MCP_RESOURCE_URL", settings.MCP_RESOURCE_URL, "/mcp"),
            ("MCP_SSE_RESOURCE_URL", settings.MCP_SSE_RESOURCE_URL, "/sse"),
        )
        if not url.startswith(f"{settings.BASE_URI}/")
    ]


@register
def check_own_host(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A warning, since the proxy may send a Host of its own.

    In separate mode, a file may be for the authorization server alone.
    """
    urls = [settings.BASE_URI, *([settings.AUTH_SERVER_URL] if settings.IS_SEPARATE else [])]
    parts = [urlsplit(url) for url in urls]
    hosts = [part.netloc.removesuffix(f":{part.port}") for part in parts]
    if any(validate_host(host, settings.ALLOWED_HOSTS) for host in hosts):
        return []
    return [
        Warning(
            f"ALLOWED_HOSTS lacks {hosts[0]}, the host of BASE_URI: requests with that Host get 421.",
            hint="Add it, or leave ALLOWED_HOSTS out.",
            id="everything_site.W003",
        )
    ]


@register(deploy=True)
def check_redis(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.DEBUG or not valkey.is_embedded(settings.REDIS_URL, settings.BASE_DIR):
        return []
    return [
        Error(
            "REDIS_URL is not set: the embedded Redis belongs to runserver and is not persistent.",
            hint="Set REDIS_URL to a server that all processes can reach.",
            id="everything_site.E003",
        )
    ]


@register(deploy=True)
def check_env_file(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    path = settings.BASE_DIR / (os.environ.get("ENV_FILE") or ".env")
    try:
        mode = path.stat().st_mode
    except OSError:
        return []
    if not stat.S_ISREG(mode) or not mode & stat.S_IROTH:
        return []
    return [
        Warning(
            f"{path}, which has SECRET_KEY and passwords, can be read by every user of this machine.",
            hint=f"chmod o= {path}",
            id="everything_site.W004",
        )
    ]


@register(deploy=True)
def check_fixtures(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.CONFORMANCE_FIXTURES:
        return []
    return [
        Warning(
            "CONFORMANCE_FIXTURES is on: clients see the tools of the conformance suite.",
            id="everything_site.W002",
        )
    ]
