"""The pages of the site, and the response to clients that probe well-known URLs."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from everything_site import env
from everything_site.pages.connect import clients
from oauth_app.http.api import api_view
from oauth_app.http.cors import allow_all_origins


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    about = {"auth_server_url": settings.AUTH_SERVER_URL, "is_separate": settings.IS_SEPARATE}
    return render(request, "landing.html", {**_how_to_connect(), **about})


@require_safe
@never_cache
@vary_on_headers("Accept")
def connect(request: HttpRequest) -> HttpResponse:
    """What a browser is shown at the address of an MCP endpoint: see browsers.py."""
    return render(request, "connect_page.html", _how_to_connect())


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler400`. Django's own renders the template without a context."""
    return render(request, "400.html", status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`. Django's own reads the form of a POST, and fails if it cannot be read."""
    return render(request, "404.html", status=404)


@require_safe
@cache_control(public=True, max_age=24 * 3600)
def favicon(request: HttpRequest) -> HttpResponse:
    """The icon at the address where browsers and clients look for it if nothing names another one."""
    return HttpResponse(_favicon(), content_type="image/x-icon")


@cache
def _favicon() -> bytes:
    return (settings.SITE_DIR / "static" / "favicon.ico").read_bytes()


def _how_to_connect() -> dict[str, Any]:
    """What connect.html shows."""
    url = settings.MCP_RESOURCE_URL
    return {"mcp_url": url, "sse_url": settings.MCP_SSE_RESOURCE_URL, "clients": clients(url)}


@require_safe
def auth_landing(request: HttpRequest) -> HttpResponse:
    return render(request, "auth_landing.html", {"mcp_url": settings.MCP_RESOURCE_URL})


@require_safe
def at_authorization_server(request: HttpRequest) -> HttpResponse:
    """Redirect to the same page of the authorization server, or to the root of a third-party one."""
    is_ours = env.auth_server_fault(settings.ENV) is None
    return HttpResponseRedirect(settings.AUTH_SERVER_URL + (request.get_full_path() if is_ours else "/"))


@api_view
@allow_all_origins
def unknown_document(request: HttpRequest, name: str = "") -> HttpResponse:
    """Clients probe well-known URLs, and some fail on HTML."""
    return JsonResponse({"error": "not_found"}, status=404)
