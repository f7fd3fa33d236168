"""Notices that access tokens are gone, or must go, and announces it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from oauth_app.announcing import announce
from oauth_app.models import AccessToken, Client, RefreshToken, end_access


def connect() -> None:
    """Listen to the models; called once, when the application is ready."""
    post_delete.connect(_announce, sender=AccessToken, dispatch_uid="oauth_app.announce")
    post_delete.connect(_announce_grant, sender=RefreshToken, dispatch_uid="oauth_app.announce_grant")
    post_save.connect(_user_saved, sender=settings.AUTH_USER_MODEL, dispatch_uid="oauth_app.user")
    post_save.connect(_client_saved, sender=Client, dispatch_uid="oauth_app.client")


def _announce(instance: AccessToken, **kwargs: Any) -> None:
    """Every way to lose an access token is a deletion: revocation, cascade, admin, replay.

    Its consent may live on in a refresh token.
    """
    if instance.expires > timezone.now():
        announce(checksums=[instance.token_checksum])


def _announce_grant(instance: RefreshToken, **kwargs: Any) -> None:
    """A person or a client is deleted: of its consents nothing but this may have been left."""
    is_current = instance.revoked is None and instance.superseded is None
    if is_current and instance.token_family is not None and instance.expires > timezone.now():
        announce(grants=[str(instance.token_family)])


def _user_saved(instance: Any, created: bool, **kwargs: Any) -> None:
    if not created and not instance.is_active:
        end_access(user=instance)


def _client_saved(
    instance: Client, created: bool, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    is_written = update_fields is None or "is_enabled" in update_fields
    if not created and is_written and not instance.is_enabled:
        end_access(application=instance)
