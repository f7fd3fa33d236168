"""What the authorization server keeps: clients, and what people granted them.

All models of django-oauth-toolkit are swapped together, since they refer to one another. Codes,
tokens and secrets are kept as checksums only. One consent starts a *family*: its code, and every
access and refresh token that descends from it. A family ends as a whole.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, models, transaction
from django.utils import timezone
from oauth2_provider.models import (
    AbstractAccessToken,
    AbstractApplication,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
)

from oauth_app import redirects
from oauth_app.conf import conf
from oauth_app.secrets import checksum, is_secret, new_secret
from oauth_app.signals import one_access_withdrawn, send_access_withdrawn


class Client(AbstractApplication):
    """An OAuth client: registered by itself (RFC 7591), known by its URL (CIMD), or made by hand."""

    class AuthMethod(models.TextChoices):
        """How the client proves itself at the token endpoint."""

        NONE = "none", "none (public)"
        BASIC = "client_secret_basic"
        POST = "client_secret_post"

    class Kind(models.TextChoices):
        """The `application_type` of a registration."""

        WEB = "web"
        NATIVE = "native"

    authorization_grant_type = models.CharField(
        max_length=44,
        choices=[(AbstractApplication.GRANT_AUTHORIZATION_CODE, "Authorization code")],
        default=AbstractApplication.GRANT_AUTHORIZATION_CODE,
        editable=False,
    )
    # A checksum. The toolkit's own field would hash slowly, or keep the secret readable.
    client_secret = models.CharField(max_length=64, blank=True, default="", editable=False)
    hash_client_secret = models.BooleanField(default=False, editable=False)
    registration_token = models.CharField(max_length=64, blank=True, default="", editable=False)
    auth_method = models.CharField(
        "authentication", max_length=32, choices=AuthMethod.choices, default=AuthMethod.NONE
    )
    application_type = models.CharField(max_length=16, choices=Kind.choices, default=Kind.WEB)
    is_enabled = models.BooleanField(
        "enabled", default=True, help_text="A client that is not enabled loses all access at once."
    )
    is_resource_server = models.BooleanField(
        "resource server", default=False, help_text="May ask at /introspect what a token is worth."
    )
    last_used = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(AbstractApplication.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(skip_authorization=False), name="consent_is_never_skipped"
            ),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write the client, but `is_enabled` only for a new one or where `update_fields` names it.

        So a copy that was loaded before the client was disabled cannot enable it again, be it a change of its
        registration or a fetched metadata document. `enable` and `disable` are the ways to change it.

        Raises:
            IntegrityError: The client has been deleted since it was loaded. (Django says DatabaseError, which
                the toolkit's fetch of a metadata document does not expect.)
        """
        if not self._state.adding and not kwargs.get("force_insert") and kwargs.get("update_fields") is None:
            unwritten = {"is_enabled", *self.get_deferred_fields()}
            fields = (field for field in self._meta.concrete_fields if not field.primary_key)
            kwargs["update_fields"] = [field.name for field in fields if field.attname not in unwritten]
        try:
            super().save(*args, **kwargs)
        except DatabaseError as error:
            if type(error) is DatabaseError and error.__cause__ is None:  # Django's own: no row was updated
                raise IntegrityError(f"Client {self.pk} has been deleted.") from error
            raise

    def enable(self) -> None:
        self.is_enabled = True
        self.save(update_fields=["is_enabled", "updated"])

    def disable(self) -> None:
        """Withdraw all access of the client, for good: enabling it again brings none of it back."""
        self.is_enabled = False
        self.save(update_fields=["is_enabled", "updated"])

    @property
    def get_absolute_url(self) -> Any:
        """Absent: the toolkit's is a page that is not served here.

        `view_on_site = False` in the admin would hide the link only: `/admin/r/<content type>/<pk>/` would
        still call the toolkit's method, whose NoReverseMatch is a 500. For a model without the attribute
        that address is 404, and a property that raises AttributeError is how an inherited one is taken away.
        """
        raise AttributeError("get_absolute_url")

    @property
    def is_public(self) -> bool:
        return self.client_type == self.CLIENT_PUBLIC

    @property
    def expires(self) -> datetime | None:
        """When the registration lapses, unless it is used.

        One made by hand never does. Nor does one known by a URL, whose document is read anew instead.
        """
        if self.registration_source != self.RegistrationSource.DCR:
            return None
        return (self.last_used or self.created) + timedelta(seconds=conf.client_seconds)

    @property
    def display_name(self) -> str:
        return self.name or self.client_id

    def clean(self) -> None:
        faults: dict[str, Any] = {}
        uris = self.redirect_uris.split()
        if not uris and not self.is_resource_server:  # which asks, and is never redirected to
            faults["redirect_uris"] = ValidationError(
                "A client needs a redirect URI, to which people are sent back; a resource server needs none."
            )
        elif refused := [
            (uri, fault) for uri in uris if (fault := redirects.fault(uri, conf.custom_schemes))
        ]:
            faults["redirect_uris"] = [ValidationError(f"{uri[:200]} {fault}.") for uri, fault in refused]
        elif uris:
            super().clean()
        if self.is_public and self.is_resource_server:
            faults["is_resource_server"] = ValidationError("A public client cannot prove who it is.")
        if faults:
            raise ValidationError(faults)

    def get_allowed_schemes(self) -> list[str]:
        return ["https", "http", *conf.custom_schemes]

    def redirect_uri_allowed(self, uri: str) -> bool:
        """Whether it is one of the registered URIs, and of a scheme that is allowed still."""
        is_allowed = urlsplit(uri).scheme in self.get_allowed_schemes()
        return is_allowed and redirects.matches(uri, self.redirect_uris.split())

    def is_usable(self, request: Any) -> bool:
        return self.is_enabled and (self.expires is None or timezone.now() < self.expires)

    def new_client_secret(self) -> str:
        """A new secret, which replaces the old one; shown to the client once."""
        secret = new_secret()
        self.client_secret = checksum(secret)
        return secret

    def has_secret(self, secret: str) -> bool:
        return is_secret(secret, self.client_secret)

    def new_registration_token(self) -> str:
        """A new RFC 7592 registration access token, which replaces the old one."""
        token = new_secret()
        self.registration_token = checksum(token)
        return token


class Grant(AbstractGrant):
    """A consent, and the code that was given for it. Kept after use, to notice a second use.

    `code` holds the checksum of the code.
    """

    family = models.UUIDField(default=uuid.uuid4, editable=False, db_index=True)
    used = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(AbstractGrant.Meta):
        pass


class AccessTokens(models.QuerySet["AccessToken"]):
    def working(self) -> AccessTokens:
        """Those that open the door: not expired, of an active user and an enabled client."""
        return self.select_related("user", "application").filter(
            expires__gt=timezone.now(), user__is_active=True, application__is_enabled=True
        )


class AccessToken(AbstractAccessToken):
    family = models.UUIDField(null=True, editable=False, db_index=True)

    objects = AccessTokens.as_manager()

    class Meta(AbstractAccessToken.Meta):
        pass

    def revoke(self) -> None:
        """End the whole family: what remained of it could mint the next access token."""
        end_families([self.family])
        if self.pk:
            AccessToken.objects.filter(pk=self.pk).delete()


class RefreshToken(AbstractRefreshToken):
    """A refresh token. `superseded` by the next one it works on for a grace period; `revoked` never."""

    scope = models.TextField(blank=True)
    expires = models.DateTimeField(default=timezone.now)
    superseded = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token_checksum"], name="one_refresh_token")]
        indexes = [models.Index(fields=["token_family"])]

    @classmethod
    def revoke_family(cls, token_family: uuid.UUID | None) -> None:
        end_families([token_family])

    def revoke(self) -> None:
        end_families([self.token_family])


class IDToken(AbstractIDToken):
    """Unused, as there is no OpenID Connect here; the toolkit wants it swapped with the others."""

    class Meta(AbstractIDToken.Meta):
        pass


def end_families(families: list[uuid.UUID | None]) -> None:
    """Withdraw all that these consents gave: unused codes, refresh tokens, access tokens."""
    known = [family for family in families if family is not None]
    now = timezone.now()
    with transaction.atomic(), one_access_withdrawn():
        # Locked in one order everywhere, so that two withdrawals never wait for each other.
        refresh_tokens = RefreshToken.objects.filter(token_family__in=known)
        list(refresh_tokens.select_for_update().order_by("pk").values_list("pk"))
        Grant.objects.filter(family__in=known, used=None).update(used=now, updated=now)
        refresh_tokens.filter(revoked=None).update(revoked=now, updated=now)
        AccessToken.objects.filter(family__in=known).delete()
        send_access_withdrawn(grants=map(str, known))


def end_access(**of: Any) -> None:
    """Withdraw everything `of` a user, of a client, or of a user from a client (`application=`)."""
    families: set[uuid.UUID | None] = set()
    families.update(Grant.objects.filter(used=None, **of).values_list("family", flat=True))
    families.update(AccessToken.objects.filter(**of).values_list("family", flat=True))
    families.update(RefreshToken.objects.filter(revoked=None, **of).values_list("token_family", flat=True))
    end_families(list(families))
