"""/authorize: the authorization endpoint and its consent page (RFC 6749 §3.1).

A GET grants nothing. The consent form posts to the URL of the page itself, with the decision and the extra
scopes that were ticked, so that exactly what was shown is granted.
"""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from oauth2_provider.cimd import is_cimd_client_id, refresh_if_stale, resolve_cimd_application
from oauth2_provider.exceptions import FatalClientError, OAuthToolkitError
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.views.base import BaseAuthorizationView
from oauthlib.oauth2.rfc6749.errors import (
    AccessDeniedError,
    CustomOAuth2Error,
    InvalidClientIdError,
    OAuth2Error,
)

from oauth_app import redirects, resources
from oauth_app.clients import cimd
from oauth_app.conf import conf
from oauth_app.endpoints import consent, refusals
from oauth_app.models import CLIENT_ID, Client, live_tokens
from oauth_app.signals import audit

log = logging.getLogger("oauth_app")

S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
MAX_STATE_LENGTH = 4000
MAX_URL_LENGTH = 12_000
"""The URL is a parameter of another one during sign-in, and servers accept 16 KB at most."""


class QueryOnlyBackend(OAuthLibCore):
    """Reads the authorization request from the URL only; the body is the decision of the user."""

    def extract_body(self, request: HttpRequest) -> list[tuple[str, str]]:
        return []


@method_decorator(never_cache, name="dispatch")
class AuthorizeView(BaseAuthorizationView):
    oauthlib_backend_class = QueryOnlyBackend
    http_method_names = ["get", "post"]

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Treat parameters without a value as omitted (RFC 6749 §3.1)."""
        query = request.META.get("QUERY_STRING", "")
        request.META["QUERY_STRING"] = "&".join(pair for pair in query.split("&") if pair.partition("=")[2])
        request.GET = QueryDict(request.META["QUERY_STRING"])
        super().setup(request, *args, **kwargs)

    def handle_no_permission(self) -> HttpResponse:
        """Ask the user to sign in, unless the request would be rejected anyway.

        Errors are shown on a page: before sign-in there are no redirects to addresses that any client can
        register (RFC 9700 §4.11.2). Clients known by a URL are checked after the sign-in, since anonymous
        visitors must not be able to make this server fetch documents.

        That section excepts a valid request with `prompt=none`; here, only if the client is trusted.
        """
        try:
            client_id = self.request.GET.get("client_id", "")
            if is_cimd_client_id(client_id) and oauth2_settings.CIMD_ENABLED:
                self._refuse_unreadable(self.request)
                if _is_silent(self.request):
                    raise FatalClientError(error=CustomOAuth2Error("login_required"))
            else:
                _, credentials = self._authorization_request(self.request)
                if _is_silent(self.request):
                    error = _refusal(credentials, "login_required")
                    return self.error_response(error, self._client(self.request))
        except OAuthToolkitError as error:
            return self._error_page(error)
        return conf.sign_in(self.request, self.request.get_full_path())

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            scopes, credentials = self._authorization_request(request)
            if _is_silent(request):
                raise _refusal(credentials, "consent_required")
        except OAuthToolkitError as error:
            return self.error_response(error, self._client(request))
        context = consent.page(credentials["request"].client, credentials["redirect_uri"], scopes, request)
        return render(request, "oauth_app/consent.html", context)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        decision = request.POST.get("decision")
        if decision == "switch":
            logout(request)
            return conf.sign_in(request, request.get_full_path())
        try:
            scopes, credentials = self._authorization_request(request)
            ticked = request.POST.getlist("also")
            scopes += [scope for scope in consent.further(scopes) if scope in ticked]
            log.info(
                "consent granted" if decision == "allow" else "consent denied",
                extra={
                    "client": credentials["client_id"],
                    "user": request.user.pk,
                    "scope": " ".join(scopes),
                    "redirect_uri": redirects.without_query(credentials["redirect_uri"]),
                },
            )
            audit(
                "consent granted" if decision == "allow" else "consent denied",
                user=request.user,
                client=credentials["client_id"],
                scope=" ".join(scopes),
            )
            if decision != "allow":
                denied = AccessDeniedError(state=credentials["state"])
                raise OAuthToolkitError(error=denied, redirect_uri=credentials["redirect_uri"])
            location, *_ = self.create_authorization_response(
                request=request, scopes=" ".join(scopes), credentials=credentials, allow=True
            )
        except OAuthToolkitError as error:
            return self.error_response(error, self._client(request))
        # oauthlib and the toolkit re-encode the registered URI; use only the parameters that they added.
        added = parse_qsl(urlsplit(location).query)
        parameters = [(name, value) for name, value in added if name in redirects.RESPONSE_PARAMETERS]
        return self.redirect(_with_issuer(credentials["redirect_uri"], parameters), self._client(request))

    def error_response(
        self, error: OAuthToolkitError, application: Client | None, **kwargs: Any
    ) -> HttpResponse:
        """Redirect to the client if this user trusts it; otherwise show a page with a link to the client.

        RFC 9700 §4.11.2: anybody can register a client. By an error of its own making, a denial or
        `prompt=none`, it could otherwise have this server redirect users to any site.
        """
        oauth_error = error.oauthlib_error
        if isinstance(error, FatalClientError) or application is None:
            return self._error_page(error)
        oauth_error.description = oauth_error.description or refusals.description(oauth_error.error)
        uri = oauth_error.redirect_uri
        url = _with_issuer(uri, oauth_error.twotuples)
        if _is_trusted(application, uri, self.request):
            self._log_refusal(error)
            return self.redirect(url, application)
        if not _is_signed_in(self.request):
            return self._error_page(error)
        return self._error_page(error, way_back=url, redirect_host=redirects.shown_host(uri))

    def _error_page(self, error: OAuthToolkitError, **context: str) -> HttpResponse:
        """Show the error to the user, without a redirect to the client."""
        self._log_refusal(error)
        client_id = self.request.GET.get("client_id", "")
        advice = refusals.GENERAL_ADVICE
        if isinstance(error.oauthlib_error, InvalidClientIdError) and is_cimd_client_id(client_id):
            reason = cimd.why_unknown(client_id)
        elif self._why_unknown(error) == "disabled":
            reason = "This app has been disabled here."
            advice = "Ask the administrators of this server why."
        else:
            text = error.oauthlib_error.description or refusals.description(error.oauthlib_error.error)
            reason, advice = refusals.SENTENCES.get(text, text), refusals.advice(text)
        context |= {"reason": reason, "advice": advice, "error": error.oauthlib_error.error}
        return render(self.request, "oauth_app/error.html", context, status=400)

    def _log_refusal(self, error: OAuthToolkitError) -> None:
        client_id = self.request.GET.get("client_id", "")[:255]
        facts = {"client": client_id, "error": error.oauthlib_error.error}
        if why := self._why_unknown(error):
            facts["reason"] = why
        log.info("authorization request rejected", extra=facts)
        if facts["error"] != AccessDeniedError.error:  # that has a line already
            audit("authorization refused", user=self.request.user, **facts)

    def _why_unknown(self, error: OAuthToolkitError) -> str:
        """Why a client id is not accepted; empty for other errors."""
        if not isinstance(error.oauthlib_error, InvalidClientIdError):
            return ""
        client = self._client(self.request)
        if client is None:
            return "unknown"
        return "expired" if client.is_enabled else "disabled"

    def _authorization_request(self, request: HttpRequest) -> tuple[list[str], dict[str, Any]]:
        """The scopes and credentials of a valid request.

        Raises:
            OAuthToolkitError: The request is invalid.
        """
        client_id = request.GET.get("client_id", "")
        self._refuse_unreadable(request)
        if _is_signed_in(request) and is_cimd_client_id(client_id):
            _fetch_metadata_document(client_id, request)
        try:
            scopes, credentials = self.validate_authorization_request(request)
        except ValueError as error:
            raise FatalClientError(error=OAuth2Error("The request is malformed.")) from error
        for name in ("code_challenge", "code_challenge_method", "response_mode"):
            if len(request.GET.getlist(name)) > 1:
                raise _refusal(credentials, "invalid_request", f"{name} must not be repeated.")
        if request.GET.get("response_mode", "query") != "query":
            raise _refusal(credentials, "invalid_request", "response_mode must be query.")
        if credentials.get("code_challenge_method") != "S256" or not S256_CHALLENGE.fullmatch(
            credentials["code_challenge"]
        ):
            raise _refusal(credentials, "invalid_request", "PKCE with the method S256 is required.")
        if len(credentials["state"] or "") > MAX_STATE_LENGTH:
            raise _refusal(
                credentials | {"state": None},
                "invalid_request",
                f"state must not be longer than {MAX_STATE_LENGTH} characters.",
            )
        asked = filter(None, request.GET.getlist("resource"))
        if resources.unknown(asked, conf.resource_urls):
            raise _refusal(
                credentials, "invalid_target", "This server does not issue tokens for that resource."
            )
        return scopes, credentials

    def _refuse_unreadable(self, request: HttpRequest) -> None:
        """Raise FatalClientError for a request that the database or proxies cannot handle.

        Also for a client id that RFC 6749 (appendix A.1) does not allow: it could look like another one.
        """
        if not CLIENT_ID.fullmatch(request.GET.get("client_id", "").replace("\0", "")):
            reason = "The application's client_id contains characters that are not allowed."
            raise FatalClientError(error=OAuth2Error(reason))
        if any("\0" in value for values in request.GET.lists() for value in values[1]):
            raise FatalClientError(error=OAuth2Error("The request contains a null character."))
        if len(request.get_full_path()) > MAX_URL_LENGTH:
            raise FatalClientError(error=OAuth2Error("The request is too long."))

    def _client(self, request: HttpRequest) -> Client | None:
        client_id = request.GET.get("client_id", "")
        return None if "\0" in client_id else Client.objects.filter(client_id=client_id).first()


def _is_signed_in(request: HttpRequest) -> bool:
    return request.user.is_authenticated


def _is_silent(request: HttpRequest) -> bool:
    """Whether the user must not be asked anything (OpenID Connect Core §3.1.2.1)."""
    return "none" in request.GET.get("prompt", "").split()


def _is_trusted(client: Client, redirect_uri: str, request: HttpRequest) -> bool:
    """Whether an error may redirect this user to the client without a click.

    An administrator created the client; or the user has signed in, and the client either has access to the
    account or waits on this computer, where no site can be.
    """
    if client.registration_source == client.RegistrationSource.MANUAL:
        return True
    if not _is_signed_in(request):
        return False
    if redirects.is_loopback(urlsplit(redirect_uri)):
        return True
    return any(tokens.exists() for tokens in live_tokens(user=request.user.pk, application=client))


def _with_issuer(redirect_uri: str, parameters: list[tuple[str, str]]) -> str:
    """The URL of a response, with the `iss` parameter (RFC 9207), also of an error."""
    others = [(name, value) for name, value in parameters if name != "iss"]
    return redirects.with_parameters(redirect_uri, [*others, ("iss", conf.issuer)])


def _fetch_metadata_document(client_id: str, request: HttpRequest) -> None:
    """Fetch the metadata document of a client if it is unknown or its copy has expired."""
    client = Client.objects.filter(client_id=client_id).first()
    if client is None:
        resolve_cimd_application(client_id, request)
    else:
        refresh_if_stale(client, request)


def _refusal(credentials: dict[str, Any], error: str, description: str | None = None) -> OAuthToolkitError:
    """An error that is reported to the client by a redirect."""
    return OAuthToolkitError(
        error=CustomOAuth2Error(error, description, state=credentials["state"]),
        redirect_uri=credentials["redirect_uri"],
    )
