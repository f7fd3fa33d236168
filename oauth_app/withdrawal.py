"""Notices that access tokens are gone, or must go, and tells whoever listens to `access_withdrawn`."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from oauth_app.models import AccessToken, Client, RefreshToken, announce_grants, end_access
from oauth_app.signals import access_withdrawn


def connect() -> None:
    """Listen to the models; called once, when the application is ready."""
    post_delete.connect(_announce, sender=AccessToken, dispatch_uid="oauth_app.announce")
    post_delete.connect(_announce_grant, sender=RefreshToken, dispatch_uid="oauth_app.announce_grant")
    post_save.connect(_user_saved, sender=settings.AUTH_USER_MODEL, dispatch_uid="oauth_app.user")
    post_save.connect(_client_saved, sender=Client, dispatch_uid="oauth_app.client")


def _announce(instance: AccessToken, **kwargs: Any) -> None:
    """Every way to lose an access token is a deletion: revocation, cascade, admin, replay."""
    if instance.expires > timezone.now():
        grants = [] if instance.family is None else [str(instance.family)]
        send = partial(
            access_withdrawn.send_robust,
            sender=AccessToken,
            checksums=[instance.token_checksum],
            grants=grants,
        )
        transaction.on_commit(send, robust=True)


def _announce_grant(instance: RefreshToken, **kwargs: Any) -> None:
    """A person or a client is deleted: of its consents nothing but this may have been left."""
    if instance.revoked is None and instance.superseded is None and instance.expires > timezone.now():
        announce_grants([instance.token_family])


def _user_saved(instance: Any, created: bool, **kwargs: Any) -> None:
    if not created and not instance.is_active:
        end_access(user=instance)


def _client_saved(
    instance: Client, created: bool, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    is_written = update_fields is None or "is_enabled" in update_fields
    if not created and is_written and not instance.is_enabled:
        end_access(application=instance)
