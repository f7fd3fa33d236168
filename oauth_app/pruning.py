"""Deletes rows that nobody can use any more: expired tokens, unused clients, expired sign-ins."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from oauth2_provider.models import clear_expired

from oauth_app.conf import conf
from oauth_app.models import AccessToken, Client, Grant, RefreshToken

EXPIRED = "expired"
NEVER_USED = "never used"


def prunable(never_used_for: timedelta) -> QuerySet[Client]:
    """Clients without any access that have expired, or have not been used since they were created.

    Excluded are clients created in the admin, and disabled clients known by a URL, which would otherwise come
    back enabled.

    Args:
        never_used_for: The minimum age of clients that were never used.
    """
    now = timezone.now()
    mine = {"application": OuterRef("pk")}
    holds_access = (
        Exists(AccessToken.objects.filter(expires__gt=now, **mine))
        | Exists(RefreshToken.objects.filter(expires__gt=now, revoked=None, **mine))
        | Exists(Grant.objects.filter(expires__gt=now, used=None, **mine))
    )
    expired = Q(since__lt=now - timedelta(seconds=conf.client_seconds))
    never_used = Q(last_used=None, created__lt=now - never_used_for)
    return (
        Client.objects.exclude(registration_source=Client.RegistrationSource.MANUAL)
        .annotate(since=Coalesce(F("last_used"), F("created")))
        .filter(expired | never_used)
        .exclude(holds_access)
        .exclude(registration_source=Client.RegistrationSource.CIMD, is_enabled=False)
        .order_by("pk")
    )


def described(clients: QuerySet[Client]) -> Iterator[dict[str, Any]]:
    """A description of each client, with the reason why it can be deleted."""
    long_ago = timezone.now() - timedelta(seconds=conf.client_seconds)
    for client in clients.iterator():
        yield {
            "client_id": client.client_id,
            "name": client.name,
            "source": client.registration_source,
            "created": client.created.isoformat(timespec="seconds"),
            "last_used": client.last_used.isoformat(timespec="seconds") if client.last_used else None,
            "reason": EXPIRED if (client.last_used or client.created) < long_ago else NEVER_USED,
        }


def delete_if_prunable(client_id: str, never_used_for: timedelta) -> bool:
    """Delete a client, unless it has been used since it was found to be prunable. Returns whether it did.

    The row is locked before it is looked at again, so that nobody is connecting the client meanwhile.
    """
    with transaction.atomic():
        client = Client.objects.select_for_update().filter(client_id=client_id)
        if client.first() is None or not prunable(never_used_for).filter(client_id=client_id).exists():
            return False
        client.delete()
        return True


def delete_expired_tokens() -> int:
    """Delete expired tokens and codes, in batches; returns how many there were.

    A used refresh token stays until it has expired, so that its reuse is noticed (RFC 9700 §4.14.2).
    """
    models: tuple[Any, ...] = (AccessToken, RefreshToken, Grant)
    before = [model.objects.aggregate(newest=Max("pk"), count=Count("pk")) for model in models]
    clear_expired()
    return sum(
        found["count"] - model.objects.filter(pk__lte=found["newest"]).count()  # none that is new
        for model, found in zip(models, before, strict=True)
        if found["count"]
    )


def delete_expired_sessions() -> int:
    """Delete the expired sign-ins of browsers; returns how many, or 0 if the database has none of them."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    expired = 0
    if issubclass(store, SessionStore):
        expired = store.get_model_class().objects.filter(expire_date__lt=timezone.now()).count()
    store.clear_expired()
    return expired
