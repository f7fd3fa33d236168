"""What of this app Django should know as models."""

from __future__ import annotations

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
