"""Authorization server metadata (RFC 8414).

All URLs come from the settings, so that a forged Host header cannot change them.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from oauth2_provider.settings import oauth2_settings

from oauth_app.clients.metadata import GRANT_TYPES, RESPONSE_TYPES
from oauth_app.conf import conf
from oauth_app.http.api import api_view
from oauth_app.http.cors import allow_all_origins
from oauth_app.models import Client
from oauth_app.scopes import scopes

AUTH_METHODS = Client.AuthMethod.values
SECRET_METHODS = [method for method in AUTH_METHODS if method != Client.AuthMethod.NONE]


def authorization_server_metadata() -> dict[str, Any]:
    issuer = conf.issuer
    about = {
        "service_documentation": conf.service_documentation,
        "op_policy_uri": conf.op_policy_uri,
        "op_tos_uri": conf.op_tos_uri,
    }
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "registration_endpoint": f"{issuer}/register",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "scopes_supported": list(scopes()),
        "response_types_supported": RESPONSE_TYPES,
        "response_modes_supported": ["query"],
        "grant_types_supported": GRANT_TYPES,
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "introspection_endpoint_auth_methods_supported": SECRET_METHODS,
        "code_challenge_methods_supported": ["S256"],
        "client_id_metadata_document_supported": bool(oauth2_settings.CIMD_ENABLED),
        "authorization_response_iss_parameter_supported": True,
        **{name: url for name, url in about.items() if url},
    }


@api_view
@allow_all_origins
def authorization_server(request: HttpRequest) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        return JsonResponse({"error": "method_not_allowed"}, status=405, headers={"Allow": "GET, HEAD"})
    return JsonResponse(authorization_server_metadata(), headers={"Cache-Control": "public, max-age=300"})
