"""/register: dynamic client registration (RFC 7591) and its management (RFC 7592).

These views replace those of the toolkit, which accept any grant type, store registration tokens among the
access tokens, omit half of the response, and have no hooks to change that.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views import View
from oauth2_provider.utils import parse_bearer_token

from oauth_app import redirects
from oauth_app.clients import metadata as client_metadata
from oauth_app.clients.metadata import GRANT_TYPES, RESPONSE_TYPES, MetadataError
from oauth_app.conf import conf
from oauth_app.http.api import refusal
from oauth_app.models import Client, end_access
from oauth_app.scopes import scopes
from oauth_app.secrets import is_secret
from oauth_app.signals import audit

log = logging.getLogger("oauth_app")


class _RegistrationView(View):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        except MetadataError as error:
            log.warning(
                "client registration rejected", extra={"error": error.code, "reason": error.description}
            )
            audit("client registration refused", error=error.code)
            response = refusal(error.code, error.description)
        response["Cache-Control"] = "no-store"
        return response


class RegisterView(_RegistrationView):
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        metadata = client_metadata.read(_document(request))
        client = Client(registration_source=Client.RegistrationSource.DCR)
        metadata.apply(client)
        token = client.new_registration_token()
        secret = client.save_with_secret()
        _log("client registered", client)
        return JsonResponse(_response(client, token, secret), status=201)


class ManageView(_RegistrationView):
    http_method_names = ["get", "put", "delete"]

    @transaction.atomic
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Handle the request while the row is locked, so that a concurrent change sees this one."""
        token = parse_bearer_token(request.META.get("HTTP_AUTHORIZATION", ""))
        client = (
            Client.objects.select_for_update(no_key=request.method != "DELETE")
            .filter(
                client_id=kwargs["client_id"].replace("\0", ""),  # PostgreSQL rejects that
                registration_source=Client.RegistrationSource.DCR,
            )
            .first()
        )
        if token is None or client is None or not is_secret(token, client.registration_token):
            response = refusal("invalid_token", "The registration access token is invalid.", 401)
            response["WWW-Authenticate"] = 'Bearer error="invalid_token"'
            return response
        if not client.is_enabled:
            return refusal("access_denied", "This client has been disabled.", 403)
        self.client, self.token = client, token
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, client_id: str) -> HttpResponse:
        return JsonResponse(_response(self.client, self.token))

    def put(self, request: HttpRequest, client_id: str) -> HttpResponse:
        """Replace the metadata.

        All access is revoked if users have consented to something else: to another name, or to fewer hosts.
        A change between public and confidential revokes it as well.
        """
        document = _document(request)
        self._refuse_another_identity(document)
        metadata = client_metadata.read(document)
        name, hosts = self.client.name, _hosts(self.client)
        metadata.apply(self.client)
        token = self.client.new_registration_token()
        secret = self.client.save_with_secret()
        if self.client.name != name or not _hosts(self.client) <= hosts:
            end_access(application=self.client)
        _log("client changed", self.client)
        return JsonResponse(_response(self.client, token, secret))

    def _refuse_another_identity(self, document: Any) -> None:
        """The client id and secret, if given, must be those of the client (RFC 7592 §2.2)."""
        given = document if isinstance(document, dict) else {}
        if given.get("client_id", self.client.client_id) != self.client.client_id:
            raise MetadataError("client_id must be that of this client.")
        secret = given.get("client_secret")
        if secret is not None and not (
            isinstance(secret, str) and secret.isascii() and self.client.has_secret(secret)
        ):
            raise MetadataError("client_secret must be that of this client.")

    def delete(self, request: HttpRequest, client_id: str) -> HttpResponse:
        self.client.delete()
        _log("client unregistered", self.client)
        return HttpResponse(status=204)


def _hosts(client: Client) -> set[str]:
    """The hosts to which it sends users, as the page of consent shows them."""
    return {redirects.shown_host(uri) for uri in client.redirect_uris.split()}


def _document(request: HttpRequest) -> Any:
    if request.content_type != "application/json":
        raise MetadataError("The request must be application/json.")
    if int(request.META.get("CONTENT_LENGTH") or 0) > conf.max_registration_bytes:
        raise MetadataError("The request is too large.")
    try:
        body = request.body
    except RequestDataTooBig:
        raise MetadataError("The request is too large.") from None
    if len(body) > conf.max_registration_bytes:
        raise MetadataError("The request is too large.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise MetadataError("The request must be valid JSON.") from None


def _response(client: Client, token: str, secret: str | None = None) -> dict[str, Any]:
    """The registration response (RFC 7591 §3.2.1), without null members and with times in whole seconds."""
    document: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created.timestamp()),
        "redirect_uris": client.redirect_uris.split(),
        "grant_types": GRANT_TYPES,
        "response_types": RESPONSE_TYPES,
        "token_endpoint_auth_method": client.auth_method,
        "application_type": client.application_type,
        "scope": " ".join(scopes()),
        "registration_access_token": token,
        "registration_client_uri": f"{conf.issuer}/register/{client.client_id}",
    }
    if client.name:
        document["client_name"] = client.name
    if secret:
        document["client_secret"] = secret
    if not client.is_public and client.expires:
        document["client_secret_expires_at"] = int(client.expires.timestamp())
    return document


def _log(event: str, client: Client) -> None:
    audit(event, client=client.client_id, client_name=client.name)
    log.info(
        event,
        extra={
            "client": client.client_id,
            "client_name": client.name,
            "auth_method": client.auth_method,
            "redirect_uris": [redirects.without_query(uri) for uri in client.redirect_uris.split()],
        },
    )
