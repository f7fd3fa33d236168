"""Model signals: changes to users, clients and tokens that withdraw access."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils import timezone

from oauth_app.models import AccessToken, Client, RefreshToken, end_access
from oauth_app.signals import send_access_withdrawn


@receiver(post_delete, sender=AccessToken, dispatch_uid="oauth_app.access_token_deleted")
def access_token_deleted(instance: AccessToken, **kwargs: Any) -> None:
    """Every way to lose an access token is a deletion: revocation, cascade, admin, replay.

    Its consent may live on in a refresh token.
    """
    if instance.expires > timezone.now():
        send_access_withdrawn(checksums=[instance.token_checksum])


@receiver(post_delete, sender=RefreshToken, dispatch_uid="oauth_app.refresh_token_deleted")
def refresh_token_deleted(instance: RefreshToken, **kwargs: Any) -> None:
    """A user or a client was deleted: the refresh token may have been all that was left of the consent."""
    is_current = instance.revoked is None and instance.superseded is None
    if is_current and instance.token_family is not None and instance.expires > timezone.now():
        send_access_withdrawn(grants=[str(instance.token_family)])


@receiver(post_save, sender=settings.AUTH_USER_MODEL, dispatch_uid="oauth_app.user_saved")
def user_saved(instance: Any, created: bool, **kwargs: Any) -> None:
    if not created and not instance.is_active:
        end_access(user=instance)


@receiver(post_save, sender=Client, dispatch_uid="oauth_app.client_saved")
def client_saved(
    instance: Client, created: bool, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    is_written = update_fields is None or "is_enabled" in update_fields
    if not created and is_written and not instance.is_enabled:
        end_access(application=instance)
