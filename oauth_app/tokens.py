"""/token, /revoke and /introspect: what clients and resource servers call (RFC 6749, 7009, 7662)."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.views import View
from oauth2_provider.views.base import RevokeTokenView as ToolkitRevokeView
from oauth2_provider.views.base import TokenView as ToolkitTokenView
from oauth2_provider.views.mixins import OAuthLibMixin
from oauthlib.common import Request, urlencode

from oauth_app.conf import conf
from oauth_app.models import AccessToken
from oauth_app.secrets import checksum

log = logging.getLogger("oauth_app")


class _ReadableFormMixin(View):
    """Refuses what oauthlib and the database would stumble over, in the words of RFC 6749 §5.2."""

    http_method_names = ["post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            form = request.POST
        except (BadRequest, MultiPartParserError, SuspiciousOperation):  # too large is suspicious, too
            return refusal("invalid_request", "The form cannot be read, or is too large.")
        if any("\0" in value for values in form.lists() for value in values[1]):
            return refusal("invalid_request", "A parameter holds a null character.")
        if request.META.get("QUERY_STRING"):
            return refusal("invalid_request", "Parameters belong into the body.")
        response = super().dispatch(request, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response


class TokenView(_ReadableFormMixin, ToolkitTokenView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with transaction.atomic():  # the locks on code and refresh token last until the new pair is kept
            response = self.authorization_flow_token_response(request)
        if response.status_code == 401:
            response["WWW-Authenticate"] = 'Basic realm="oauth", charset="UTF-8"'
        return response


class RevokeView(_ReadableFormMixin, ToolkitRevokeView):
    pass


class IntrospectView(_ReadableFormMixin, OAuthLibMixin, View):
    """Only for resource servers: a client must not learn what other clients' tokens are worth."""

    def post(self, request: HttpRequest) -> HttpResponse:
        core = self.get_oauthlib_core()
        asking = Request(
            "/introspect", "POST", urlencode(core.extract_body(request)), core.extract_headers(request)
        )
        if not core.server.request_validator.authenticate_client(asking):
            response = refusal("invalid_client", "Only known resource servers may ask.", status=401)
            response["WWW-Authenticate"] = 'Basic realm="oauth", charset="UTF-8"'
            return response
        if not asking.client.is_resource_server:
            log.warning("introspection refused", extra={"client": asking.client.client_id})
            return refusal("unauthorized_client", "Only resource servers may ask.", status=403)
        if "token" not in request.POST:
            return refusal("invalid_request", "The token is missing.")
        return JsonResponse(introspection(request.POST["token"]))


def introspection(raw: str) -> dict[str, Any]:
    """What RFC 7662 §2.2 says of a token; of one that does not work, only that."""
    token = AccessToken.objects.working().filter(token_checksum=checksum(raw)).first()
    if token is None or not token.resource:
        return {"active": False}
    return {
        "active": True,
        "iss": conf.issuer,
        "sub": str(token.user_id),
        "aud": token.resource,
        "client_id": token.application.client_id,
        "client_name": token.application.name,
        "username": token.user.get_username(),
        "scope": token.scope,
        "token_type": "Bearer",
        "exp": int(token.expires.timestamp()),
        "iat": int(token.created.timestamp()),
    }


def refusal(error: str, description: str, status: int = 400) -> JsonResponse:
    response = JsonResponse({"error": error, "error_description": description}, status=status)
    response["Cache-Control"] = "no-store"
    return response
