"""Registrations that nobody needs any more: which ones, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from oauth_app.conf import conf
from oauth_app.models import AccessToken, Client, Grant, RefreshToken

LAPSED = "lapsed"
NEVER_USED = "never used"


def prunable(never_used_for: timedelta) -> QuerySet[Client]:
    """Clients that made themselves known, hold no access, and lapsed or were never used for so long.

    Clients made by hand never go. One that holds access stays, whatever the dates say; so does one known by
    its URL that somebody disabled, as it would come back enabled.
    """
    now = timezone.now()
    mine = {"application": OuterRef("pk")}
    holds_access = (
        Exists(AccessToken.objects.filter(expires__gt=now, **mine))
        | Exists(RefreshToken.objects.filter(expires__gt=now, revoked=None, **mine))
        | Exists(Grant.objects.filter(expires__gt=now, used=None, **mine))
    )
    lapsed = Q(since__lt=now - timedelta(seconds=conf.client_seconds))
    never_used = Q(last_used=None, created__lt=now - never_used_for)
    return (
        Client.objects.exclude(registration_source=Client.RegistrationSource.MANUAL)
        .annotate(since=Coalesce(F("last_used"), F("created")))
        .filter(lapsed | never_used)
        .exclude(holds_access)
        .exclude(registration_source=Client.RegistrationSource.CIMD, is_enabled=False)
        .order_by("pk")
    )


def described(clients: QuerySet[Client]) -> Iterator[dict[str, Any]]:
    """Each of them for a reader: who it is, and why it goes."""
    long_ago = timezone.now() - timedelta(seconds=conf.client_seconds)
    for client in clients.iterator():
        yield {
            "client_id": client.client_id,
            "name": client.name,
            "source": client.registration_source,
            "created": client.created.isoformat(timespec="seconds"),
            "last_used": client.last_used.isoformat(timespec="seconds") if client.last_used else None,
            "reason": LAPSED if (client.last_used or client.created) < long_ago else NEVER_USED,
        }
