"""What every page shows, as a context processor: the links of the header, and the id of the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from everything_site.logs import request_id

AUTH_URLS = "everything_site.urls.authorization_server"
"""The URLs of the authorization server of separate mode: see auth_asgi.py."""

RESOURCE_URLS = "everything_site.urls.resource_server"
"""The URLs of the MCP server of separate mode, on which nobody signs in."""


@dataclass(frozen=True)
class Entry:
    label: str
    url: str
    is_current: bool


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The context of every template.

    `navigation` has the entries for everybody, `about` the pages about this server, `has_accounts` says
    whether users sign in to this server, and `request_id` is in the log lines of the request.

    In separate mode the authorization server links to the pages of the MCP server, and the MCP server
    redirects to the connections of the authorization server.
    """
    urls = getattr(request, "urlconf", None) or settings.ROOT_URLCONF
    there = settings.BASE_URI if urls == AUTH_URLS else ""
    path = request.path_info
    return {
        "about": [
            Entry(label, url if there else url.removeprefix(settings.BASE_URI), False)
            for label, url in settings.PAGES.items()
        ],
        "navigation": [
            Entry("Try", f"{there}/try", path.startswith("/try")),
            Entry("Tour", f"{there}/tour/", path.startswith("/tour/")),
            Entry("Connect", f"{there}/#connect", False),
            Entry("Connections", "/connections", path.startswith("/connections")),
        ],
        "has_accounts": urls != RESOURCE_URLS,
        "request_id": request_id.get(),
    }
