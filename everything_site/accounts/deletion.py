"""Deletes what belongs to users and clients that are deleted: notes, and when they were last seen.

It belongs to a subject of an issuer and not to a row of the user table, so there is no cascade.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete

from everything_site.demo.models import Note
from mcp_app.monitoring import last_seen
from oauth_app.models import Client


def connect() -> None:
    """Delete what belongs to deleted users and clients, where users are the subjects of the access tokens.

    Not in the MCP server of separate mode: its users have nothing to do with the subjects of the same number
    at the authorization server.
    """
    post_delete.connect(
        _user_deleted, sender=settings.AUTH_USER_MODEL, dispatch_uid="everything_site.delete_notes"
    )
    post_delete.connect(_client_deleted, sender=Client, dispatch_uid="everything_site.forget_client")


def notes_of(users: Iterable[Any]) -> QuerySet[Note]:
    """The notes of users of this database, for whom `oauth_app` issues tokens."""
    return Note.objects.filter(issuer=settings.AUTH_SERVER_URL, subject__in=[str(user.pk) for user in users])


def _user_deleted(instance: Any, **kwargs: Any) -> None:
    notes_of([instance]).delete()
    subject = str(instance.pk)
    transaction.on_commit(lambda: last_seen.forget_person(settings.AUTH_SERVER_URL, subject), robust=True)


def _client_deleted(instance: Client, **kwargs: Any) -> None:
    client_id = instance.client_id
    transaction.on_commit(lambda: last_seen.forget_client(client_id), robust=True)
