"""Model signals: changes to users, clients and tokens that withdraw access."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models.signals import post_delete, post_save, pre_delete
from django.dispatch import receiver
from django.utils import timezone

from oauth_app.models import AccessToken, AccessTokens, Client, Grant, RefreshToken, end_access
from oauth_app.signals import send_access_withdrawn


def connect() -> None:
    """Listen to changes of users: of their model, its proxies, and the models that extend it.

    Django sends signals for the class of the instance only.
    """
    for model in apps.get_models():
        if issubclass(model, get_user_model()):
            label = model._meta.label_lower
            pre_delete.connect(owner_deleted, sender=model, dispatch_uid=f"oauth_app.deleted.{label}")
            post_save.connect(user_saved, sender=model, dispatch_uid=f"oauth_app.saved.{label}")


@receiver(post_delete, sender=AccessToken, dispatch_uid="oauth_app.access_token_deleted")
def access_token_deleted(instance: AccessToken, origin: Any, **kwargs: Any) -> None:
    """Every way to lose an access token is a deletion: revocation, admin, replay.

    Its consent may live on in a refresh token. `owner_deleted` announces those of a deleted user or client.
    """
    if isinstance(origin, AccessToken | AccessTokens) and instance.expires > timezone.now():
        send_access_withdrawn(checksums=[instance.token_checksum])


@receiver(pre_delete, sender=Client, dispatch_uid="oauth_app.client_deleted")
def owner_deleted(sender: Any, instance: Any, **kwargs: Any) -> None:
    """End all access of a user or a client that is being deleted, whoever deletes it.

    Django has looked for dependent rows by now, without a lock. Whatever was created since would violate a
    foreign key, so that the deletion would fail and the access remain. So the row is locked first: nothing
    is created from then on (`lock_owners`), and what exists by then is deleted here.
    """
    owner = sender._base_manager.select_for_update().filter(pk=instance.pk)
    owner.values_list("pk").first()
    of = {"application" if sender is Client else "user": instance}
    end_access(**of)
    RefreshToken.objects.filter(**of).delete()
    Grant.objects.filter(**of).delete()
    AccessToken.objects.filter(**of).delete()  # those without a family


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
