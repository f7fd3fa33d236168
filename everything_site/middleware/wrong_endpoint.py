"""Tells MCP clients that were configured with a wrong URL where the endpoint is."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import is_valid_path
from django.utils.deprecation import MiddlewareMixin

from oauth_app.http.cors import allow_all_origins

_INVALID_REQUEST = -32600


class WrongEndpointMiddleware(MiddlewareMixin):
    """Responds with a JSON-RPC error to requests of MCP clients for pages, or for URLs that do not exist.

    An HTML page would not help such a client, and its POST would fail because of a CSRF token.
    """

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        if _is_from_mcp_client(request) and not _takes_json(request):
            return _refuse(request)
        return None


def _takes_json(request: HttpRequest) -> bool:
    """Whether the path has a view that may be asked for JSON. The landing page has none."""
    path = request.path_info
    return path != "/" and bool(is_valid_path(path, getattr(request, "urlconf", None)))


def _is_from_mcp_client(request: HttpRequest) -> bool:
    """Whether a request looks like one of the transports, or like the preflight of one."""
    headers = request.headers
    if "Mcp-Session-Id" in headers or "text/event-stream" in headers.get("Accept", "").lower():
        return True
    if request.method == "POST":
        return request.content_type == "application/json"
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in headers


@allow_all_origins
def _refuse(request: HttpRequest) -> HttpResponse:
    message = f"There is no MCP endpoint at this URL. Use {settings.MCP_RESOURCE_URL}"
    error = {"code": _INVALID_REQUEST, "message": message}
    body = {"jsonrpc": "2.0", "id": None, "error": error}
    return JsonResponse(body, status=404, headers={"Cache-Control": "no-store"})
