"""The pages about this server, and the text files that crawlers, researchers and directories look for."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from everything_site.pages.examples import EXAMPLES
from everything_site.pages.navigation import AUTH_URLS
from everything_site.pages.views import unknown_document
from mcp_app.conf import conf as mcp
from oauth_app.conf import conf as oauth

PAGES = tuple(label.lower() for label in settings.PAGES)
CHALLENGES = {"openai-apps-challenge": "openai_apps_challenge", "mcp-registry-auth": "registry_auth"}
"""The files by which directories verify the domain, with the variables that have their contents."""

EXPIRES_AFTER = timedelta(days=180)
"""RFC 9116 §2.5.5: less than a year. Whoever runs the server confirms the contact by running it."""

_PRIVATE = ("/admin/", "/authorize", "/connections", "/fakeupstreamauth/", "/try/")


@require_safe
def page(request: HttpRequest, name: str) -> HttpResponse:
    """A page about this server, or a redirect to that of the operator."""
    url = settings.PAGES[name.capitalize()]
    if url != f"{settings.BASE_URI}/{name}":
        return HttpResponseRedirect(url)
    context = {
        "operator": settings.ENV.operator or f"whoever runs {urlsplit(settings.BASE_URI).netloc}",
        "contact": settings.ENV.contact,
        "contact_url": _contact_url(),
        "examples": EXAMPLES,
        "mcp_url": settings.MCP_RESOURCE_URL,
        "session_hours": round(mcp.session_max_seconds / 3600),
        "data_days": round(mcp.person_data_seconds / 86400),
        "client_days": round(oauth.client_seconds / 86400),
    }
    return render(request, f"{name}.html", context)


@require_safe
@cache_control(public=True, max_age=3600)
def robots(request: HttpRequest) -> HttpResponse:
    """RFC 9309. It leaves out the pages that need a user who is signed in."""
    return _text("User-agent: *\n" + "".join(f"Disallow: {path}\n" for path in _PRIVATE))


@require_safe
@cache_control(public=True, max_age=3600)
def security(request: HttpRequest) -> HttpResponse:
    """RFC 9116. It expires half a year from today."""
    base = settings.AUTH_SERVER_URL if getattr(request, "urlconf", None) == AUTH_URLS else settings.BASE_URI
    expires = datetime.combine(datetime.now(UTC).date() + EXPIRES_AFTER, time(), UTC)
    fields = {
        "Contact": _contact_url() or settings.PAGES["Support"],
        "Expires": expires.isoformat().replace("+00:00", "Z"),
        "Preferred-Languages": "en",
        "Canonical": f"{base}/.well-known/security.txt",
    }
    return _text("".join(f"{name}: {value}\n" for name, value in fields.items()))


@require_safe
@cache_control(public=True, max_age=60)
def challenge(request: HttpRequest, name: str) -> HttpResponseBase:
    """Exactly what a directory told the operator to publish."""
    content = getattr(settings.ENV, CHALLENGES[name])
    return _text(content) if content else unknown_document(request, name)


def _contact_url() -> str:
    contact = settings.ENV.contact
    return f"mailto:{contact}" if contact and not contact.startswith("https://") else contact


def _text(content: str) -> HttpResponse:
    return HttpResponse(content, content_type="text/plain; charset=utf-8")
