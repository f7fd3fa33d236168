import hashlib
import json
from datetime import timedelta
from typing import Any, Self
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils import timezone

MAX_ATTEMPTS = 5
FIRST_PAUSE = timedelta(seconds=15)


class Subscription(models.Model):
    """Where a person wants to hear of one kind of event, until it expires."""

    public_id = models.CharField(max_length=68, unique=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=100)
    url = models.URLField(max_length=500)
    secret = models.CharField(max_length=100)
    refresh_before = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} to {self.url}"

    @staticmethod
    def id_of(owner: Any, name: str, url: str) -> str:
        """The same for the same subscription, so that subscribing again renews it."""
        key = json.dumps([str(owner.pk), url, name])
        return f"sub_{hashlib.sha256(key.encode()).hexdigest()}"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self) -> Self:
        now = timezone.now()
        waiting = self.filter(due_at__lte=now, subscription__refresh_before__gt=now)
        return waiting.select_related("subscription").order_by("due_at")[:100]


class Delivery(models.Model):
    """One event for one subscription, until it is accepted or given up."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE)
    event_id = models.UUIDField(default=uuid4)
    payload = models.JSONField()
    emitted_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now, db_index=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    fence = models.BigIntegerField(default=0)

    objects = DeliveryQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.event_id} for {self.subscription_id}"

    def body(self) -> bytes:
        occurrence = {
            "eventId": str(self.event_id),
            "name": self.subscription.name,
            "timestamp": self.emitted_at.isoformat(),
            "data": self.payload,
        }
        return json.dumps(occurrence).encode()

    def pause(self) -> timedelta:
        return FIRST_PAUSE * 2**self.attempts
