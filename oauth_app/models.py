"""Clients, consents and tokens.

All models of django-oauth-toolkit are swapped together, since they refer to one another. Codes, tokens and
secrets are stored as checksums only. A consent starts a *family*: its code, and all access and refresh tokens
derived from it. A family is revoked as a whole.

Requests lock rows in one order, so that they do not deadlock: client, user, refresh tokens by their primary
keys, codes, access tokens.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.core import exceptions
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
from oauth_app.display_names import sanitized
from oauth_app.secrets import checksum, is_secret, new_secret
from oauth_app.signals import Access, one_access_withdrawn, send_access_withdrawn

CLIENT_ID = re.compile(r"[\x20-\x7e]*")
"""The characters that a client id may have (RFC 6749, appendix A.1)."""

_SHOWN_ID = 8
_SHOWN_URL = 60
"""How much of a client id is shown after a name."""


class Client(AbstractApplication):
    """An OAuth client: registered dynamically (RFC 7591), known by its URL (CIMD), or made in the admin."""

    class AuthMethod(models.TextChoices):
        """How the client authenticates at the token endpoint."""

        NONE = "none", "none (public)"
        BASIC = "client_secret_basic", "secret, by HTTP Basic"
        POST = "client_secret_post", "secret, in the form"

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
    # A checksum: the field of the toolkit would use a slow hash, or store the secret readable.
    client_secret = models.CharField(max_length=64, blank=True, default="", editable=False)
    hash_client_secret = models.BooleanField(default=False, editable=False)
    registration_token = models.CharField(max_length=64, blank=True, default="", editable=False)
    auth_method = models.CharField(
        "authentication", max_length=32, choices=AuthMethod.choices, default=AuthMethod.NONE
    )
    application_type = models.CharField(max_length=16, choices=Kind.choices, default=Kind.WEB)
    is_enabled = models.BooleanField("enabled", default=True)
    is_resource_server = models.BooleanField(
        "resource server", default=False, help_text="May introspect tokens at /introspect."
    )
    last_used = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(AbstractApplication.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(skip_authorization=False), name="consent_is_never_skipped"
            ),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the client, but `is_enabled` only if it is new or `update_fields` names it.

        So an instance that was loaded before the client was disabled cannot enable it again, for example a
        change of its registration. Use `enable` and `disable` to change it.

        Raises:
            IntegrityError: The client has been deleted since it was loaded. (Django raises DatabaseError,
                which the toolkit does not expect when it saves a metadata document.)
        """
        if not self._state.adding and not kwargs.get("force_insert") and kwargs.get("update_fields") is None:
            unwritten = {"is_enabled", *self.get_deferred_fields()}
            fields = (field for field in self._meta.concrete_fields if not field.primary_key)
            kwargs["update_fields"] = [field.name for field in fields if field.attname not in unwritten]
        try:
            super().save(*args, **kwargs)
        except DatabaseError as error:
            if is_of_missing_row(error):
                raise IntegrityError(f"Client {self.pk} has been deleted.") from error
            raise

    def enable(self) -> None:
        self.is_enabled = True
        self.save(update_fields=["is_enabled", "updated"])

    def disable(self) -> None:
        """Disable the client and revoke all its access; enabling it again does not restore the access."""
        self.is_enabled = False
        self.save(update_fields=["is_enabled", "updated"])

    @property
    def get_absolute_url(self) -> Any:
        """Removed: the page of the toolkit is not served here.

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
        """When the registration expires if it is not used before.

        Clients made in the admin never expire, nor do those known by a URL, whose document is refetched.
        """
        if self.registration_source != self.RegistrationSource.DCR:
            return None
        return (self.last_used or self.created) + timedelta(seconds=conf.client_seconds)

    @property
    def display_name(self) -> str:
        return self.name or self.client_id

    def __str__(self) -> str:
        """The name as it may be displayed, and the id, since anybody chooses names and many may share one."""
        name, client_id = sanitized(self.name), sanitized(self.client_id)
        if not name:
            return client_id
        longest = _SHOWN_URL if self.registration_source == self.RegistrationSource.CIMD else _SHOWN_ID
        return f"{name} ({client_id if len(client_id) <= longest else client_id[:longest] + '…'})"

    def clean(self) -> None:
        faults: dict[str, Any] = {}
        if self._state.adding and not CLIENT_ID.fullmatch(self.client_id):  # it cannot be changed later
            faults["client_id"] = ValidationError("A client id may contain only characters of ASCII.")
        uris = self.redirect_uris.split()
        if not uris and not self.is_resource_server:  # never redirected to
            faults["redirect_uris"] = ValidationError(
                "A client needs a redirect URI, unless it is only a resource server."
            )
        elif refused := [
            (uri, fault) for uri in uris if (fault := redirects.fault(uri, conf.custom_schemes))
        ]:
            faults["redirect_uris"] = [ValidationError(f"{uri[:200]} {fault}.") for uri, fault in refused]
        elif uris:
            super().clean()
        if self.is_public and self.is_resource_server:
            faults["is_resource_server"] = ValidationError("A public client cannot authenticate itself.")
        if faults:
            raise ValidationError(faults)

    def get_allowed_schemes(self) -> list[str]:
        return ["https", "http", *conf.custom_schemes]

    def redirect_uri_allowed(self, uri: str) -> bool:
        """Whether the URI is registered, and its scheme is still allowed."""
        is_allowed = urlsplit(uri).scheme in self.get_allowed_schemes()
        return is_allowed and redirects.matches(uri, self.redirect_uris.split())

    def is_usable(self, request: Any) -> bool:
        return self.is_enabled and (self.expires is None or timezone.now() < self.expires)

    def new_client_secret(self) -> str:
        """Replace the secret, and return the new one, which is shown only once."""
        secret = new_secret()
        self.client_secret = checksum(secret)
        return secret

    @transaction.atomic
    def save_with_secret(self) -> str | None:
        """Save a client that may authenticate in another way than before.

        A public client has no secret, and one that becomes confidential gets a new one. A change between the
        two revokes all access.

        Returns:
            The new secret, if it got one, which is shown only once.
        """
        earlier = Client.objects.select_for_update(no_key=True).filter(pk=self.pk).first()
        was_confidential = earlier is not None and not earlier.is_public
        secret = None
        if self.is_public:
            self.client_secret = ""
        elif not (was_confidential and self.client_secret):
            secret = self.new_client_secret()
        self.save()
        if earlier is not None and was_confidential == self.is_public:
            end_access(application=self)
        return secret

    def has_secret(self, secret: str) -> bool:
        """Whether this is its secret. A public client has none."""
        return not self.is_public and is_secret(secret, self.client_secret)

    def new_registration_token(self) -> str:
        """Replace the registration access token (RFC 7592), and return the new one."""
        token = new_secret()
        self.registration_token = checksum(token)
        return token


class Grant(AbstractGrant):
    """A consent and its authorization code. Kept after use, to detect reuse.

    `code` holds the checksum of the code.
    """

    family = models.UUIDField(default=uuid.uuid4, editable=False, db_index=True)
    used = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(AbstractGrant.Meta):
        verbose_name = "consent"

    def __str__(self) -> str:
        return f"consent {self.pk}"


class AccessTokens(models.QuerySet["AccessToken"]):
    def enabled(self) -> AccessTokens:
        """Tokens of an active user and an enabled client.

        All users are active to a model that has no field `is_active`.
        """
        found = self.filter(application__is_enabled=True)
        return found.filter(user__is_active=True) if has_field(get_user_model(), "is_active") else found

    def valid(self) -> AccessTokens:
        """The tokens that have not expired either, with their users and clients."""
        return self.enabled().select_related("user", "application").filter(expires__gt=timezone.now())


class AccessToken(AbstractAccessToken):
    family = models.UUIDField(null=True, editable=False, db_index=True)

    objects = AccessTokens.as_manager()

    class Meta(AbstractAccessToken.Meta):
        pass

    def __str__(self) -> str:
        return f"access token {self.token_checksum[:8]}…"

    def revoke(self) -> None:
        """Revoke the whole family: its refresh token could otherwise get another access token."""
        end_families([self.family])
        if self.pk:
            AccessToken.objects.filter(pk=self.pk).delete()


class RefreshToken(AbstractRefreshToken):
    """A refresh token. If `superseded`, it stays valid for a grace period; if `revoked`, it does not.

    `refreshes` is the number of pairs that it gave.
    """

    scope = models.TextField(blank=True)
    expires = models.DateTimeField(default=timezone.now)
    superseded = models.DateTimeField(null=True, blank=True, editable=False)
    refreshes = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token_checksum"], name="one_refresh_token")]
        indexes = [models.Index(fields=["token_family"])]

    def __str__(self) -> str:
        return f"refresh token {self.token_checksum[:8]}…"

    @classmethod
    def revoke_family(cls, token_family: uuid.UUID | None) -> None:
        end_families([token_family])

    def revoke(self) -> None:
        end_families([self.token_family])


class IDToken(AbstractIDToken):
    """Unused, since there is no OpenID Connect; the toolkit requires it to be swapped with the others."""

    class Meta(AbstractIDToken.Meta):
        pass


def has_field(model: type[models.Model], name: str) -> bool:
    """Whether a model has a field of that name, its own or an inherited one."""
    return any(field.name == name for field in model._meta.get_fields())


def is_of_missing_row(error: DatabaseError) -> bool:
    """Whether saving failed because the row has been deleted, which only Django notices, not the database."""
    cause = error.__cause__ if isinstance(error, IntegrityError) else error
    not_updated: Any = getattr(exceptions, "ObjectNotUpdated", ())  # since Django 6
    is_of_django = type(cause) is DatabaseError or isinstance(cause, not_updated)
    return is_of_django and cause is not None and cause.__cause__ is None


def lock_owners(client: int, user: Any) -> bool:
    """Keep a client and a user from being deleted until the transaction ends. Returns whether both exist.

    Called before a consent or token of theirs is locked or created. A deletion that waits for the lock is
    next in line, however many requests follow. (The locks of foreign keys, which are shared, would let them
    overtake it.)

    Args:
        client: The primary key of the client.
        user: The primary key of the user.
    """
    return all(
        owner._base_manager.select_for_update(no_key=True).filter(pk=pk).values_list("pk").first() is not None
        for owner, pk in ((Client, client), (get_user_model(), user))
    )


def live_tokens(**of: Any) -> tuple[models.QuerySet[AccessToken], models.QuerySet[RefreshToken]]:
    """The tokens by which a client has access: of a user (`user=`), or of a user at a client."""
    now = timezone.now()
    return (
        AccessToken.objects.filter(expires__gt=now, **of),
        RefreshToken.objects.filter(expires__gt=now, revoked=None, superseded=None, **of),
    )


def end_families(families: list[uuid.UUID | None]) -> None:
    """Revoke everything derived from these consents: unused codes, refresh tokens and access tokens."""
    known = [family for family in families if family is not None]
    now = timezone.now()
    with transaction.atomic(), one_access_withdrawn():
        # Always locked in the same order, so that two revocations cannot deadlock.
        refresh_tokens = RefreshToken.objects.filter(token_family__in=known)
        list(refresh_tokens.select_for_update().order_by("pk").values_list("pk"))
        access = _access_by(
            Grant.objects.filter(family__in=known),
            refresh_tokens,
            AccessToken.objects.filter(family__in=known),
        )
        Grant.objects.filter(family__in=known, used=None).update(used=now, updated=now)
        refresh_tokens.filter(revoked=None).update(revoked=now, updated=now)
        AccessToken.objects.filter(family__in=known).delete()
        send_access_withdrawn(
            grants=map(str, known),
            find_ended=[lambda: access - _remaining(access)],
            usernames=_usernames(access),  # now, as the users may be about to be deleted
        )


def _access_by(*rows: models.QuerySet[Any]) -> set[Access]:
    """The access that these codes and tokens give, or gave."""
    return {pair for found in rows for pair in found.values_list("application__client_id", "user")}


def _usernames(access: set[Access]) -> dict[Any, str]:
    """The names of the users to whose accounts this is access, by primary key."""
    users = get_user_model()
    found = users._base_manager.filter(pk__in={user for _, user in access})
    return dict(found.values_list("pk", users.USERNAME_FIELD))


def _remaining(access: set[Access]) -> set[Access]:
    """The part of this access that other codes or tokens still give."""
    of = {
        "application__client_id__in": {client_id for client_id, _ in access},
        "user__in": {user for _, user in access},
    }
    codes = Grant.objects.filter(expires__gt=timezone.now(), used=None, **of)
    return access & _access_by(codes, *live_tokens(**of))


def end_access(**of: Any) -> None:
    """Revoke everything of a user (`user=`), of a client (`application=`), or of a user at a client."""
    families: set[uuid.UUID | None] = set()
    families.update(Grant.objects.filter(used=None, **of).values_list("family", flat=True))
    families.update(AccessToken.objects.filter(**of).values_list("family", flat=True))
    families.update(RefreshToken.objects.filter(revoked=None, **of).values_list("token_family", flat=True))
    end_families(list(families))
