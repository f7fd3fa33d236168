"""The admin page of notes, with their users and dates but not their private content."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from everything_site.demo.models import Note


@admin.register(Note)
class NoteAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("note_id", "subject", "issuer", "created", "updated")
    list_filter = ("issuer",)
    search_fields = ("note_id", "subject")
    date_hierarchy = "created"
    fields = ("note_id", "subject", "issuer", "created", "updated")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
