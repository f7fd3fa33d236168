"""Models of this app."""

from __future__ import annotations

from django.db import models

from mcp_app.ids import short_id


class _InRedis(models.Manager["LiveSession"]):
    def get_queryset(self) -> models.QuerySet[LiveSession]:
        """Empty: there is no table, but `dumpdata` and others query all models."""
        return super().get_queryset().none()


class LiveSession(models.Model):
    """An entry in the admin and permissions for live sessions, which are in Redis."""

    id = models.CharField(max_length=64, primary_key=True, editable=False)
    """A keyed digest of the session's id."""

    objects = _InRedis()

    class Meta:
        managed = False
        default_permissions = ("view", "delete")
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"session {short_id(self.id)}"
