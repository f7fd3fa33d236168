"""What this server keeps of its own people outside the authorization server, and deletes with them.

A note belongs to a subject of an issuer and not to a row of this database, so no cascade reaches it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.signals import post_delete

from everything_site.demo.models import Note


def connect() -> None:
    """Delete notes with their people, in a process whose users are those that the access tokens name.

    Not in the MCP server of separate mode: a user of its database has nothing to do with the subject of the
    same number at the authorization server.
    """
    post_delete.connect(
        _user_deleted, sender=settings.AUTH_USER_MODEL, dispatch_uid="everything_site.delete_notes"
    )


def notes_of(users: Iterable[Any]) -> QuerySet[Note]:
    """The notes of users of this database, for whom `oauth_app` issues tokens."""
    return Note.objects.filter(issuer=settings.AUTH_SERVER_URL, subject__in=[str(user.pk) for user in users])


def _user_deleted(instance: Any, **kwargs: Any) -> None:
    notes_of([instance]).delete()
