"""The links in the header of every page, as a context processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

AUTH_URLS = "everything_site.auth_urls"
"""The URLs of the authorization server of separate mode: see auth_asgi.py."""

RESOURCE_URLS = "everything_site.resource_urls"
"""The URLs of the MCP server of separate mode, on which nobody signs in."""


@dataclass(frozen=True)
class Entry:
    label: str
    url: str
    is_current: bool


def navigation(request: HttpRequest) -> dict[str, Any]:
    """`navigation`, the entries for everybody, and `has_accounts`: whether people sign in to this server.

    In separate mode the authorization server links to the pages of the MCP server, and the MCP server
    redirects to the connections of the authorization server.
    """
    urls = getattr(request, "urlconf", None) or settings.ROOT_URLCONF
    there = settings.BASE_URI if urls == AUTH_URLS else ""
    path = request.path_info
    return {
        "navigation": [
            Entry("Try", f"{there}/try", path.startswith("/try")),
            Entry("Tour", f"{there}/tour/", path.startswith("/tour/")),
            Entry("Connect", f"{there}/#connect", False),
            Entry("Connections", "/connections", path.startswith("/connections")),
        ],
        "has_accounts": urls != RESOURCE_URLS,
    }
