"""Models of the demonstration."""

from __future__ import annotations

import secrets

from django.db import models


def new_note_id() -> str:
    return secrets.token_hex(8)


class NoteQuerySet(models.QuerySet["Note"]):
    def of(self, issuer: str, subject: str) -> NoteQuerySet:
        """The notes of one user."""
        return self.filter(issuer=issuer, subject=subject)


class Note(models.Model):
    """A note of a user, edited with tools; see `everything_site.demo.notes`.

    Its user is the subject and issuer of the access token, who need not be a user of this database.
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
        db_table = "mcp_app_note"  # the name from before this app existed
        ordering = ("pk",)
        indexes = [models.Index(fields=["issuer", "subject"], name="mcp_note_user")]

    def __str__(self) -> str:
        """For operators, who see no private content."""
        return f"note {self.note_id}"
