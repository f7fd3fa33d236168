"""/token, /revoke and /introspect (RFC 6749, 7009, 7662)."""

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

from oauth_app.clients.authentication import presented
from oauth_app.conf import conf
from oauth_app.http.api import refusal
from oauth_app.models import AccessToken
from oauth_app.scopes import completed
from oauth_app.secrets import checksum
from oauth_app.signals import audit

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
"""Parameters that must not be repeated (RFC 6749 §3.2); `resource` may be (RFC 8707 §2)."""

ERROR_DESCRIPTIONS = {
    "invalid_client": "The client is unknown, or did not authenticate by its registered method.",
    "invalid_scope": "A refresh cannot extend the granted scope; send the user to /authorize.",
    "unsupported_grant_type": "grant_type must be authorization_code or refresh_token.",
}
INVALID_GRANT_DESCRIPTIONS = {
    "authorization_code": (
        "The code is unknown, expired or already used, was issued to another client or for another "
        "redirect_uri, or code_verifier does not match the code_challenge."
    ),
    "refresh_token": (
        "The refresh token is unknown, expired, revoked or replaced, or was issued to another client."
    ),
}
"""What `invalid_grant` can mean. The exact reason would tell a thief about the stolen code or token."""


class FormBackend(OAuthLibCore):
    """Reads form parameters, and adds a description to every error."""

    def oauthlib_request(self, request: HttpRequest) -> Request:
        """The request as the validator reads it."""
        body = urlencode(self.extract_body(request))
        return Request(request.path, "POST", body, self.extract_headers(request))

    def extract_body(self, request: HttpRequest) -> list[tuple[str, str]]:
        """The parameters. Those without a value are treated as omitted (RFC 6749 §3.2)."""
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
    description = ERROR_DESCRIPTIONS.get(answer["error"]) or INVALID_GRANT_DESCRIPTIONS.get(grant_type)
    return json.dumps(answer | {"error_description": description}) if description else body


class _ReadableFormMixin(View):
    """Rejects requests that oauthlib or the database cannot handle, by an error of RFC 6749 §5.2."""

    oauthlib_backend_class = FormBackend
    http_method_names = ["post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            form = request.POST
        except (MultiPartParserError, SuspiciousOperation):  # including too large
            return refusal("invalid_request", "The form is malformed or too large.")
        # BadRequest: urlencoded, and not UTF-8. The others: multipart, and the codec is not a text encoding,
        # or cannot decode these bytes. (For projects without the Handler of everything_site.)
        except (BadRequest, LookupError, UnicodeError):
            return refusal("invalid_request", "The form's charset must be UTF-8.")
        if any("\0" in value for values in form.lists() for value in values[1]):
            return refusal("invalid_request", "A parameter contains a null character.")
        if request.META.get("QUERY_STRING"):
            return refusal("invalid_request", "Parameters must be in the body, not in the URL.")
        if request.method == "POST" and request.content_type not in FORM_TYPES:
            return refusal("invalid_request", "The request must be application/x-www-form-urlencoded.")
        for name in sorted(SINGLE_PARAMETERS):
            if sum(map(bool, form.getlist(name))) > 1:
                return refusal("invalid_request", f"{name} must not be repeated.")
        response = super().dispatch(request, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        if response.status_code == 401:  # RFC 6749 §5.2
            response["WWW-Authenticate"] = BASIC_CHALLENGE
        return response


class TokenView(_ReadableFormMixin, ToolkitTokenView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not any(request.POST.getlist("grant_type")):
            return refusal("invalid_request", "grant_type is missing.")
        with transaction.atomic():  # keep the row locks until the new tokens are saved
            response = self.authorization_flow_token_response(request)
        if response.status_code >= 400:
            error = str(json.loads(response.content).get("error", ""))
            client_id = presented(self.get_oauthlib_core().oauthlib_request(request)).client_id
            audit("tokens refused", client=(client_id or "")[:255], error=error)
        return response


class RevokeView(_ReadableFormMixin, ToolkitRevokeView):
    pass


class IntrospectView(_ReadableFormMixin, OAuthLibMixin, View):
    """For resource servers only: clients must not learn about the tokens of other clients."""

    def post(self, request: HttpRequest) -> HttpResponse:
        core = self.get_oauthlib_core()
        oauth_request = core.oauthlib_request(request)
        if not core.server.request_validator.authenticate_client(oauth_request):
            return refusal(
                "invalid_client", "Only registered resource servers may introspect tokens.", status=401
            )
        if not oauth_request.client.is_resource_server:
            log.warning("introspection denied", extra={"client": oauth_request.client.client_id})
            return refusal("unauthorized_client", "Only resource servers may introspect tokens.", status=403)
        if "token" not in request.POST:
            return refusal("invalid_request", "token is missing.")
        return JsonResponse(introspection(request.POST["token"]))


def introspection(raw: str) -> dict[str, Any]:
    """The introspection response for a token (RFC 7662 §2.2)."""
    token = AccessToken.objects.valid().filter(token_checksum=checksum(raw)).first()
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
