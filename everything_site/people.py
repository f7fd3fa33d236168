"""Deletes the notes of users that are deleted.

A note belongs to a subject of an issuer and not to a row of the user table, so there is no cascade.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.signals import post_delete

from everything_site.demo.models import Note


def connect() -> None:
    """Delete the notes of deleted users, in a process whose users are the subjects of the access tokens.

    Not in the MCP server of separate mode: its users have nothing to do with the subjects of the same number
    at the authorization server.
    """
    post_delete.connect(
        _user_deleted, sender=settings.AUTH_USER_MODEL, dispatch_uid="everything_site.delete_notes"
    )


def notes_of(users: Iterable[Any]) -> QuerySet[Note]:
    """The notes of users of this database, for whom `oauth_app` issues tokens."""
    return Note.objects.filter(issuer=settings.AUTH_SERVER_URL, subject__in=[str(user.pk) for user in users])


def _user_deleted(instance: Any, **kwargs: Any) -> None:
    notes_of([instance]).delete()
