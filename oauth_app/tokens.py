"""/token, /revoke and /introspect: what clients and resource servers call (RFC 6749, 7009, 7662)."""

from __future__ import annotations

import json
import logging
from typing import Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.views import View
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.views.base import RevokeTokenView as ToolkitRevokeView
from oauth2_provider.views.base import TokenView as ToolkitTokenView
from oauth2_provider.views.mixins import OAuthLibMixin
from oauthlib.common import Request, urlencode
from oauthlib.oauth2 import OAuth2Error

from oauth_app.api import refusal
from oauth_app.conf import conf
from oauth_app.models import AccessToken
from oauth_app.scopes import completed
from oauth_app.secrets import checksum

log = logging.getLogger("oauth_app")

FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
_JSON = {"Content-Type": "application/json"}


BASIC_CHALLENGE = 'Basic realm="oauth", charset="UTF-8"'
SINGLE_PARAMETERS = frozenset(
    {
        "client_id",
        "client_secret",
        "code",
        "code_verifier",
        "grant_type",
        "redirect_uri",
        "refresh_token",
        "scope",
        "token",
        "token_type_hint",
    }
)
"""Parameters that may stand in a request once (RFC 6749 §3.2); `resource` may be repeated (RFC 8707 §2)."""

DESCRIPTIONS = {
    "invalid_client": "The client is unknown here, or did not authenticate in the way that it registered.",
    "invalid_scope": "A refresh cannot ask for a scope that was not granted; send the person to /authorize.",
    "unsupported_grant_type": "grant_type must be authorization_code or refresh_token.",
}
GRANT_DESCRIPTIONS = {
    "authorization_code": (
        "The code is unknown, has expired or was used before; or it was given to another client or for "
        "another redirect_uri; or code_verifier does not fit the code_challenge."
    ),
    "refresh_token": (
        "The refresh token is unknown, has expired, was revoked or replaced, or was given to another client."
    ),
}
"""What `invalid_grant` may mean. Which of them it is would tell a thief what the stolen thing is worth."""


class FormBackend(OAuthLibCore):
    """Reads the form of a request, and answers every error with a description."""

    def extract_body(self, request: HttpRequest) -> list[tuple[str, str]]:
        """The parameters; one without a value is one that is left out (RFC 6749 §3.2)."""
        body = [(name, value) for name, values in request.POST.lists() for value in values if value]
        return [(name, " ".join(completed([value])) if name == "scope" else value) for name, value in body]

    def create_token_response(self, request: HttpRequest) -> tuple[str | None, dict[str, str], str, int]:
        url, headers, body, status = super().create_token_response(request)
        return url, headers, _described(body, request.POST.get("grant_type", "")), status

    def create_revocation_response(self, request: HttpRequest) -> tuple[str | None, dict[str, str], str, int]:
        try:
            url, headers, body, status = super().create_revocation_response(request)
        except OAuth2Error as error:
            url, headers, body, status = None, _JSON, error.json, error.status_code
        return url, headers, _described(body), status


def _described(body: str, grant_type: str = "") -> str:
    answer = json.loads(body) if body else {}
    if "error" not in answer or answer.get("error_description"):
        return body
    description = DESCRIPTIONS.get(answer["error"]) or GRANT_DESCRIPTIONS.get(grant_type)
    return json.dumps(answer | {"error_description": description}) if description else body


class _ReadableFormMixin(View):
    """Refuses what oauthlib and the database would stumble over, in the words of RFC 6749 §5.2."""

    oauthlib_backend_class = FormBackend
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
        if request.method == "POST" and request.content_type not in FORM_TYPES:
            return refusal("invalid_request", "The request must be application/x-www-form-urlencoded.")
        for name in sorted(SINGLE_PARAMETERS):
            if sum(map(bool, form.getlist(name))) > 1:
                return refusal("invalid_request", f"{name} is given more than once.")
        response = super().dispatch(request, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        if response.status_code == 401:  # clients authenticate by Basic here (RFC 6749 §5.2)
            response["WWW-Authenticate"] = BASIC_CHALLENGE
        return response


class TokenView(_ReadableFormMixin, ToolkitTokenView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not any(request.POST.getlist("grant_type")):
            return refusal("invalid_request", "grant_type is missing.")
        with transaction.atomic():  # the locks on code and refresh token last until the new pair is kept
            return self.authorization_flow_token_response(request)


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
            return refusal("invalid_client", "Only known resource servers may ask.", status=401)
        if not asking.client.is_resource_server:
            log.warning("introspection denied", extra={"client": asking.client.client_id})
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
        "grant": str(token.family),
        "scope": token.scope,
        "token_type": "Bearer",
        "exp": int(token.expires.timestamp()),
        "iat": int(token.created.timestamp()),
    }
