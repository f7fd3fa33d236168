"""The well-known documents: resource metadata (RFC 9728), and metadata of the authorization server.

Every URL comes from the settings, never from the Host header.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from mcp_app.auth.authorization_server import AuthorizationServer, AuthorizationServerUnavailable
from mcp_app.conf import conf

CACHE_SECONDS = 300
_METHODS = ("GET", "HEAD")
_FOR_ALL_ORIGINS = {"Access-Control-Allow-Origin": "*"}
"""Pages of any origin may read these documents: they are public."""
FAILURE_CACHE_SECONDS = 5
"""How long a failure of the other server is cached: anyone may request its metadata."""
_CACHE_KEY = "mcp_app.authorization_server_metadata"


def protected_resource_metadata(resource_url: str) -> dict[str, Any]:
    """Lists only the basic scopes: challenges name the additional ones that a tool needs."""
    document = {
        "resource": resource_url,
        "authorization_servers": [conf.issuer],
        "scopes_supported": list(conf.required_scopes),
        "bearer_methods_supported": ["header"],
    }
    about = {
        "resource_name": conf.resource_name,
        "resource_documentation": conf.resource_documentation,
        "resource_policy_uri": conf.resource_policy_uri,
        "resource_tos_uri": conf.resource_tos_uri,
    }
    return document | {name: value for name, value in about.items() if value}


@login_not_required  # it tells clients where to sign in
@csrf_exempt  # otherwise a POST gets an HTML page
def protected_resource(request: HttpRequest, *, is_sse: bool = False) -> HttpResponse:
    """The metadata of one endpoint. Its `resource` must be the URL that the client uses (RFC 9728 §3.3)."""
    if request.method not in _METHODS:
        return not_a_get(request)
    url = conf.sse_resource_url if is_sse else conf.resource_url
    return document_response(protected_resource_metadata(url))


@login_not_required
@csrf_exempt
async def other_authorization_server(request: HttpRequest) -> HttpResponse:
    """The metadata of the other server, published here too, for clients of 2025-03-26.

    They do not know RFC 9728: they look for the authorization server at the MCP server's origin, and unless
    they get "200 OK + Metadata Document" they assume `/authorize`, `/token` and `/register` there
    (2025-03-26, Server Metadata Discovery and Fallbacks). Not every client follows redirects, so the document
    itself is served, with the issuer and endpoints of the other server. Clients of later revisions use
    `protected_resource` instead.
    """
    if request.method not in _METHODS:
        return not_a_get(request)
    document = await cache.aget(_CACHE_KEY)
    if document is None:
        server = AuthorizationServer()
        try:
            document = await _read(server)
        except AuthorizationServerUnavailable:
            document = {}
        finally:
            await server.aclose()
        await cache.aset(_CACHE_KEY, document, CACHE_SECONDS if document else FAILURE_CACHE_SECONDS)
    if not document:
        response = JsonResponse({"error": "temporarily_unavailable"}, status=503, headers=_FOR_ALL_ORIGINS)
        response["Retry-After"] = str(FAILURE_CACHE_SECONDS)
        response["Cache-Control"] = "no-store"
        return response
    return document_response(document)


def document_response(document: dict[str, Any]) -> HttpResponse:
    headers = {"Cache-Control": f"public, max-age={CACHE_SECONDS}", **_FOR_ALL_ORIGINS}
    return JsonResponse(document, headers=headers)


def not_a_get(request: HttpRequest) -> HttpResponse:
    """The response to other methods: CORS headers for a preflight, else 405.

    As JSON: probing clients fail on an HTML page or an empty body.
    """
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response = HttpResponse(headers=_FOR_ALL_ORIGINS)
        response["Access-Control-Allow-Headers"] = request.headers.get("Access-Control-Request-Headers", "")
        response["Access-Control-Max-Age"] = str(CACHE_SECONDS)
        if "Access-Control-Request-Private-Network" in request.headers:
            response["Access-Control-Allow-Private-Network"] = "true"
        return response
    headers = {"Allow": ", ".join(_METHODS), **_FOR_ALL_ORIGINS}
    return JsonResponse({"error": "method_not_allowed"}, status=405, headers=headers)


def metadata_urls(issuer: str) -> list[str]:
    """The possible metadata URLs of an issuer, in the order in which clients try them (2025-11-25)."""
    url = urlsplit(issuer)
    path = url.path.rstrip("/")
    origin = f"{url.scheme}://{url.netloc}"
    found = [
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}/.well-known/openid-configuration{path}",
    ]
    return [*found, f"{origin}{path}/.well-known/openid-configuration"] if path else found


async def _read(server: AuthorizationServer) -> dict[str, Any]:
    unavailable: AuthorizationServerUnavailable | None = None
    for url in metadata_urls(conf.issuer):
        try:
            document = await server.json("GET", url)
        except AuthorizationServerUnavailable as error:
            unavailable = error
            continue
        if document.get("issuer") == conf.issuer:  # RFC 8414 §3.3: else it is somebody else's
            return document
    raise AuthorizationServerUnavailable from unavailable
