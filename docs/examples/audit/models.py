from django.db import models


class Entry(models.Model):
    """What somebody did with a tool, or tried to do."""

    at = models.DateTimeField(auto_now_add=True)
    issuer = models.CharField(max_length=200)
    subject = models.CharField(max_length=200)
    username = models.CharField(max_length=150)
    client = models.CharField(max_length=150)
    tool = models.CharField(max_length=150)
    outcome = models.CharField(max_length=20)
    trace = models.CharField(max_length=32, blank=True)

    def __str__(self) -> str:
        return f"{self.username}: {self.tool} ({self.outcome})"
