"""What of this app Django should know as models."""

from __future__ import annotations

import secrets

from django.db import models


class _InRedis(models.Manager["LiveSession"]):
    def get_queryset(self) -> models.QuerySet[LiveSession]:
        """Nothing: there is no table. `dumpdata` and the like ask all models."""
        return super().get_queryset().none()


class LiveSession(models.Model):
    """The live sessions' place in the admin, and the permissions to see and end them. They are in Redis."""

    id = models.CharField(max_length=64, primary_key=True, editable=False)
    """A keyed digest of the session's id."""

    objects = _InRedis()

    class Meta:
        managed = False
        default_permissions = ("view", "delete")
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"session {self.id[:8]}"


def new_note_id() -> str:
    return secrets.token_hex(8)


class NoteQuerySet(models.QuerySet["Note"]):
    def of(self, issuer: str, subject: str) -> NoteQuerySet:
        """The notes of one user."""
        return self.filter(issuer=issuer, subject=subject)


class Note(models.Model):
    """A note that a person keeps through the tools; see `everything_site.demo.notes`.

    Its user is who the access token says: a subject of an issuer, which need not be a user of this database.
    """

    note_id = models.CharField(max_length=32, unique=True, default=new_note_id, editable=False)
    issuer = models.CharField(max_length=255, blank=True)
    subject = models.CharField(max_length=255)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    objects = NoteQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        indexes = [models.Index(fields=["issuer", "subject"], name="mcp_note_user")]

    def __str__(self) -> str:
        return self.title
