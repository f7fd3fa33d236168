"""The request validator of oauthlib and django-oauth-toolkit.

It overrides the toolkit where that stores codes readable, deletes used ones, keeps the tokens of a reused
code valid, or fails on concurrent refreshes.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from oauth2_provider.models import set_token_value
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error, InvalidGrantError, InvalidRequestFatalError

from oauth_app import redirects, resources
from oauth_app.clients import authentication as client_authentication
from oauth_app.conf import conf
from oauth_app.models import AccessToken, Client, Grant, RefreshToken, end_families, lock_owners
from oauth_app.scopes import completed
from oauth_app.secrets import checksum
from oauth_app.signals import audit

log = logging.getLogger("oauth_app")

LAST_USE_RESOLUTION = timedelta(hours=1)


class Validator(OAuth2Validator):
    # --- Client authentication ---------------------------------------------------------------------

    def client_authentication_required(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        """Public clients need not authenticate; if they try, they must succeed."""
        presented = client_authentication.presented(request)
        if presented.secret is not None:
            return True
        if presented.client_id and self.validate_client_id(presented.client_id, request):
            request.client_id = presented.client_id
            return not request.client.is_public
        return True

    def authenticate_client(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        """By HTTP Basic or by the body (RFC 6749 §2.3.1), against the stored checksum."""
        presented = client_authentication.presented(request)
        known = (
            presented.secret is not None
            and presented.client_id is not None
            and self.validate_client_id(presented.client_id, request)
            and request.client.has_secret(presented.secret)
        )
        if known:
            request.client_id = presented.client_id
        else:
            log.info("client authentication failed", extra={"client": (presented.client_id or "")[:255]})
            audit("client authentication failed", client=(presented.client_id or "")[:255])
        return known

    def authenticate_client_id(self, client_id: str, request: Request, *args: Any, **kwargs: Any) -> bool:
        return bool(client_id) and self.validate_client_id(client_id, request) and request.client.is_public

    # --- The authorization request ----------------------------------------------------------------

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        allowed = request.client.redirect_uri_allowed(redirect_uri)
        if not allowed:
            log.warning(
                "redirect URI rejected",
                extra={"client": client_id, "redirect_uri": redirects.without_query(redirect_uri)},
            )
        return allowed

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """Whether all of them can be granted. Sets `request.scopes` to those that will be."""
        request.scopes = completed(scopes)
        return super().validate_scopes(client_id, request.scopes, client, request, *args, **kwargs)

    def save_authorization_code(
        self, client_id: str, code: dict[str, str], request: Request, *args: Any, **kwargs: Any
    ) -> None:
        """Save the code as a consent.

        Raises:
            InvalidRequestFatalError: The client or the user has been deleted since the request was checked.
        """
        with transaction.atomic():
            if not lock_owners(request.client.pk, request.user.pk):
                raise InvalidRequestFatalError("The application or your account has been deleted.")
            Grant.objects.create(
                application=request.client,
                user=request.user,
                code=checksum(code["code"]),
                expires=timezone.now() + timedelta(seconds=conf.code_seconds),
                redirect_uri=request.redirect_uri,
                scope=" ".join(request.scopes),
                code_challenge=request.code_challenge,
                code_challenge_method=request.code_challenge_method,
                resource=[conf.resource_url],
            )

    # --- The authorization code grant ---------------------------------------------------------------------

    def validate_code(
        self, client_id: str, code: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """Whether the code is valid. A second use revokes the tokens of the first (RFC 6749 §4.1.2)."""
        codes = Grant.objects.filter(code=checksum(code), application=client)
        if not _lock_owners_of(codes):
            return False
        if used := codes.exclude(used=None).first():  # not locked: end_families locks in order
            end_families([used.family])
            log.warning("authorization code reused", extra={"client": client_id, "user": used.user_id})
            audit("authorization code reused", user=used.user, client=client_id)
            return False
        grant: Grant | None = _locked(codes)
        if grant is None or grant.used or grant.is_expired() or not grant.user.is_active:
            return False
        _refuse_unknown_resources(request)
        request.grant = grant
        request.user = grant.user
        request.scopes = grant.scope.split()
        return True

    def get_code_challenge(self, code: str, request: Request) -> str:
        return request.grant.code_challenge

    def get_code_challenge_method(self, code: str, request: Request) -> str:
        return request.grant.code_challenge_method

    def confirm_redirect_uri(
        self,
        client_id: str,
        code: str,
        redirect_uri: str,
        client: Client,
        request: Request,
        *args: Any,
        **kw: Any,
    ) -> bool:
        """Raise if a redirect URI is sent that is not that of the consent (RFC 6749 §4.1.3, §5.2)."""
        if request.grant.redirect_uri != redirect_uri:
            raise InvalidGrantError(request=request)
        return True

    def get_default_redirect_uri(self, client_id: str, request: Request, *args: Any, **kwargs: Any) -> str:
        """The redirect URI of a request that has none.

        OAuth 2.1 (§4.1.3) has no such parameter at the token endpoint: PKCE binds the code to its client.
        """
        grant: Grant | None = getattr(request, "grant", None)
        return grant.redirect_uri if grant else request.client.default_redirect_uri

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        request.grant.used = timezone.now()
        request.grant.save(update_fields=["used", "updated"])

    # --- The refresh token grant ------------------------------------------------------------------

    def validate_refresh_token(
        self, refresh_token: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """Whether the token is valid. Reuse of one that was replaced long ago revokes its family.

        A client whose tabs or processes refresh at once may use it again within the grace period, but not
        without end: each time costs rows, and gives a thief another pair.
        """
        tokens = RefreshToken.objects.filter(token_checksum=checksum(refresh_token), application=client)
        if not _lock_owners_of(tokens):
            return False
        now = timezone.now()
        replaced = Q(superseded__lte=now - timedelta(seconds=conf.refresh_grace_seconds))
        # Not locked: end_families locks in order.
        if reused := tokens.filter(~Q(revoked=None) | replaced).first():
            end_families([reused.token_family])
            log.warning("refresh token reused", extra={"client": client.client_id, "user": reused.user_id})
            audit("refresh token reused", user=reused.user, client=client.client_id)
            return False
        token: RefreshToken | None = _locked(tokens)
        if token is None or token.revoked or token.expires <= now or not token.user.is_active:
            return False
        if token.refreshes >= conf.max_refreshes:
            log.warning(
                "refresh token used too often", extra={"client": client.client_id, "user": token.user_id}
            )
            audit("refresh token used too often", user=token.user, client=client.client_id)
            return False
        _refuse_unknown_resources(request)
        request.user = token.user
        request.refresh_token_instance = token
        return True

    def get_original_scopes(self, refresh_token: str, request: Request, *args: Any, **kwargs: Any) -> str:
        return request.refresh_token_instance.scope

    # --- Revocation ------------------------------------------------------------------------

    def revoke_token(
        self, token: str, token_type_hint: str | None, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        """Revoke the token with its family.

        Raises:
            InvalidGrantError: It was issued to another client (RFC 7009 §2.1).
        """
        stored = checksum(token)
        issued = [
            AccessToken.objects.filter(token_checksum=stored),
            RefreshToken.objects.filter(token_checksum=stored),
        ]
        if any(tokens.exclude(application=request.client).exists() for tokens in issued):
            log.warning("revocation denied", extra={"client": request.client.client_id})
            audit("revocation denied", client=request.client.client_id)
            raise InvalidGrantError("The token was issued to another client.", request=request)
        if (found := next(filter(None, (tokens.first() for tokens in issued)), None)) is not None:
            audit("access revoked", user=found.user, client=request.client.client_id, by="client")
        super().revoke_token(token, token_type_hint, request, *args, **kwargs)

    # --- New tokens -----------------------------------------------------------------------------

    def save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any) -> None:
        """Save a new pair. Within the grace period a replaced refresh token gets a pair of its own.

        The access token of the old pair stays valid until it expires: pending requests still use it.
        """
        now = timezone.now()
        with transaction.atomic():
            if request.grant_type == "refresh_token":
                previous: RefreshToken = request.refresh_token_instance
                family, scope = previous.token_family, previous.scope
                previous.superseded = previous.superseded or now
                previous.refreshes += 1  # the row is locked
                previous.save(update_fields=["superseded", "refreshes", "updated"])
            else:
                family, scope = request.grant.family, request.grant.scope
            _save_pair(token, request, family, scope)
            Client.objects.filter(pk=request.client.pk).filter(
                Q(last_used=None) | Q(last_used__lt=now - LAST_USE_RESOLUTION)
            ).update(last_used=now)
        log.info(
            "tokens issued",
            extra={
                "client": request.client.client_id,
                "user": request.user.pk,
                "grant_type": request.grant_type,
                "scope": token["scope"],
            },
        )
        audit(
            "tokens refreshed" if request.grant_type == "refresh_token" else "tokens issued",
            user=request.user,
            client=request.client.client_id,
            scope=token["scope"],
        )


def _lock_owners_of(rows: QuerySet[Any]) -> bool:
    """Lock the client and the user of a consent or token. Returns whether all three exist."""
    owners = rows.values_list("application", "user").first()
    return owners is not None and lock_owners(*owners)


def _locked(rows: QuerySet[Any]) -> Any:
    """The consent or token itself, locked; None if there is none. Call `_lock_owners_of` first."""
    return rows.select_for_update(of=("self",)).select_related("user").first()


def _save_pair(token: dict[str, Any], request: Request, family: uuid.UUID | None, scope: str) -> None:
    now = timezone.now()
    access = AccessToken(
        user=request.user,
        application=request.client,
        scope=token["scope"],
        expires=now + timedelta(seconds=token["expires_in"]),
        resource=[conf.resource_url],
        family=family,
    )
    set_token_value(access, token["access_token"])
    access.save()
    of_consent = AccessToken.objects.filter(family=family).order_by("-created", "-pk")
    if excess := list(of_consent.values_list("pk", flat=True)[conf.max_access_tokens :]):
        AccessToken.objects.filter(pk__in=excess).delete()
    refresh = RefreshToken(
        user=request.user,
        application=request.client,
        access_token=access,
        scope=scope,
        expires=now + timedelta(seconds=conf.refresh_seconds),
        resource=[conf.resource_url],
        token_family=family,
    )
    set_token_value(refresh, token["refresh_token"])
    refresh.save()


def _refuse_unknown_resources(request: Request) -> None:
    asked = [value for name, value in request.decoded_body or [] if name == "resource" and value]
    if resources.unknown(asked, conf.resource_urls):
        log.info("resource rejected", extra={"client": request.client.client_id})
        raise CustomOAuth2Error("invalid_target", "This server does not issue tokens for that resource.")
